// Package settings reads the settings files: NCFXSERVER.DAT of a node,
// CLIENTSETTINGS.TXT that a node ships to its clients, NCFAXCLIENT.DAT of a
// client.
//
// They are strict INI. [SECTION] stands alone on its line, KEY=value has no
// spaces around the =, a comment is a line that starts with ;. Sections and
// keys do not care about case. Lines end in LF or CRLF; a UTF-8 byte order
// mark is tolerated; any other encoding is reported. There is no escaping, no
// quoting, no continuation: DEVICE=C:\FAX\ is what it looks like.
//
// What a file may not hold (a malformed line, a key twice, a value outside its
// range) is an error that names file and line, and the program does not start
// on it. A key that nobody knows is a warning that names file and line.
//
// A [File] keeps every line as it was, so that changing one value changes one
// line. A [Schema] is the table of known keys. [Schema.Resolve] lays files,
// environment and flags over the defaults and remembers where each value came
// from.
package settings
