// Package clientlib is a client of a faxmesh cluster.
//
// Dial finds a node, Login or Resume opens a session. From then on the client
// keeps itself connected: when its node dies it goes on at another one with
// the session's token, repeats the requests that are safe to repeat, and asks
// for the events it has missed. Events come from whichever node handled the
// fax to the Listener, or over the client's own connection where that fails;
// the program sees one stream of them, each once, in order.
//
// Errors that a node answers are *fax.Error.
package clientlib
