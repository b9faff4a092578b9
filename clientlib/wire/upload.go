package wire

// CmdUpload hands in a document. The node answers Uploaded with More, the
// client sends DATA, never more than Window ahead of the node's last WINDOW,
// and with End the 32 octets of the document's SHA-256 as payload. Then the
// node answers Uploaded once more, when it has all of the document.
const CmdUpload = "upload"

// Upload announces a document.
type Upload struct {
	Size int64 `msgpack:"s"` // octets, -1 if not known yet
}

// Check implements Message. Whether the size is acceptable the desk says: its
// answer names the limit.
func (u *Upload) Check() error {
	var f fields
	if u.Size < -1 {
		f.fail("a document of %d octets makes no sense", u.Size)
	}
	return f.err
}

// Uploaded names the upload to which an order refers.
type Uploaded struct {
	ID string `msgpack:"id"`
}

// Check implements Message.
func (u *Uploaded) Check() error {
	var f fields
	f.id("the upload's id", u.ID)
	return f.err
}
