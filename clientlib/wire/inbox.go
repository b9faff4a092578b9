package wire

import "github.com/faxmesh/faxmesh/clientlib/fax"

// CmdInbox lists received faxes, the newest first; answered by FaxList.
const CmdInbox = "inbox"

// Inbox asks for at most Limit faxes, 0 for the node's default.
type Inbox struct {
	Limit int `msgpack:"l,omitempty"`
}

// Check implements Message.
func (i *Inbox) Check() error {
	var f fields
	f.count("the limit", i.Limit, MaxList)
	return f.err
}

// FaxList is a page of received faxes.
type FaxList struct {
	Faxes []fax.ReceivedFax `msgpack:"i"`
}

// Check implements Message.
func (l *FaxList) Check() error {
	var f fields
	for i := range l.Faxes {
		f.received(&l.Faxes[i])
	}
	return f.err
}
