// Package clienttest runs servers on loopback for programs that use clientlib:
// real TLS, the real door (node/clientconn), and behind it a Desk in memory
// that does what the test tells it.
package clienttest
