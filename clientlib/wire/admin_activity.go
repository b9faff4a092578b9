package wire

import "github.com/faxmesh/faxmesh/clientlib/fax"

// CmdActivity reads the activity record; answered by ActivityList.
const CmdActivity = "activity"

// ActivityAfter asks for at most Limit entries after a number.
type ActivityAfter struct {
	After uint64 `msgpack:"a"`
	Limit int    `msgpack:"l,omitempty"`
}

// Check implements Message.
func (a *ActivityAfter) Check() error {
	var f fields
	f.count("the limit", a.Limit, MaxList)
	return f.err
}

// ActivityList is a page of the record.
type ActivityList struct {
	Entries []fax.Activity `msgpack:"i"`
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
