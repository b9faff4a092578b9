package wire

import "github.com/faxmesh/faxmesh/clientlib/fax"

// CmdFetch asks ByID for the pages of a job or a received fax, as TIFF-F. The
// node answers Document with More, then sends DATA, never more than Window
// ahead of the client's last WINDOW; the last has End.
const CmdFetch = "fetch"

// Document says what will come.
type Document struct {
	Document fax.Document `msgpack:"d"`
}

// Check implements Message.
func (d *Document) Check() error {
	var f fields
	f.document(d.Document)
	if d.Document.Hash == "" {
		f.fail("the document has no hash")
	}
	return f.err
}
