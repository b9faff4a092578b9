// Package scenario holds the stories that are told with real processes: the
// programs as they are built, several data directories, sockets on loopback.
package scenario
