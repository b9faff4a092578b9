// Package wire is the language of TCP 7488 between clients and nodes.
//
// A connection is TLS 1.3. The client sends a preface, the node answers with
// the version it will speak and its limits; from then on both sides send
// frames. The notification port speaks the same frames, dialled by the node.
// DESIGN.md beside this file is enough to write a client from.
//
// There is one file for each command; the packages at the two ends, clientlib
// and clientconn, have files of the same names. Every message is decoded by
// CheckThenDecode, which walks the octets before it allocates and then holds
// each field to its limit.
package wire
