// Package clienttest runs servers on loopback for tests of programs that use
// clientlib.
//
// TLS is real, so is the door (node/clientconn); behind it is a Desk in memory
// that does what the test tells it.
package clienttest
