package wire

import "github.com/faxmesh/faxmesh/clientlib/fax"

// CmdActivity searches the activity record; answered by ActivityList.
const CmdActivity = "activity"

// ActivityQuery says which entries are wanted.
type ActivityQuery struct {
	fax.ActivityFilter `msgpack:",inline"`
}

// Check implements Message.
func (q *ActivityQuery) Check() error {
	var f fields
	f.count("the limit", q.Limit, MaxList)
	f.text("the account", q.Account, fax.MaxName)
	f.text("the act", q.What, fax.MaxName)
	f.text("the object", q.Object, MaxText)
	return f.err
}

// ActivityList is a page of the entries found. The search has looked as far as
// entry More, which is to be After in the next query, or Before if the newest
// come first; it is 0 at the end of the record, and alike on all pages.
type ActivityList struct {
	Entries []fax.Activity `msgpack:"i"`
	More    uint64         `msgpack:"m,omitempty"`
}

// Check implements Message.
func (l *ActivityList) Check() error {
	var f fields
	for _, a := range l.Entries {
		f.text("the entry's account", a.Who, fax.MaxName)
		f.text("the entry's node", a.Node, fax.MaxName)
		f.text("the entry's act", a.What, fax.MaxName)
		f.text("the entry's object", a.Object, MaxText)
		f.text("the entry's detail", a.Detail, MaxDetail)
		f.hash("the entry's chain value", a.Chain)
	}
	return f.err
}

// CmdActivityHead has the node sign for the entries after a number, so that
// they can be exported; answered by ActivityHead.
const CmdActivityHead = "activity-head"

// ActivityAfter is the number behind which an export begins.
type ActivityAfter struct {
	After uint64 `msgpack:"a"`
}

// Check implements Message.
func (*ActivityAfter) Check() error { return nil }

// ActivityHead is the head of an export, signed.
type ActivityHead struct {
	fax.ActivityHead `msgpack:",inline"`
}

// Check implements Message.
func (h *ActivityHead) Check() error {
	var f fields
	f.text("the cluster", h.Cluster, fax.MaxName)
	f.text("the node", h.Node, fax.MaxName)
	f.hash("the chain value before", h.Before)
	f.hash("the chain value at the end", h.End)
	for _, b := range [][]byte{h.Certificate, h.Authority, h.Signature} {
		f.count("the octets of a certificate", len(b), MaxDER)
	}
	return f.err
}
