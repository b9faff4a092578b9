// Package interop calls other people's fax programs over other people's modems:
// the exchange in softexchange is made of libspandsp's soft modems, and efax is
// at the far end.
package interop
