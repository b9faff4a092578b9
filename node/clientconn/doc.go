// Package clientconn is the door for clients: TCP 7488.
//
// It knows the protocol (clientlib/wire) and the nouns (clientlib/fax) and
// asks a Desk for everything else; no right is checked here. A connection is
// in one of three states: hello (only login is answered), known, closed. Each
// command has a file of the same name here, in wire and in clientlib.
package clientconn
