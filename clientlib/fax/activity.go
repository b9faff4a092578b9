package fax

// ActivityFilter chooses entries of the activity record. The zero value is all
// of them, the oldest first.
type ActivityFilter struct {
	After   uint64 `msgpack:"a"`           // only entries with a higher number
	Before  uint64 `msgpack:"b,omitempty"` // only entries with a lower number, 0 for no such limit
	Newest  bool   `msgpack:"n,omitempty"` // the newest first
	Account string `msgpack:"w,omitempty"` // who did it, or to whom it was done
	What    string `msgpack:"x,omitempty"` // as "submit"
	Object  string `msgpack:"o,omitempty"` // as the id of a fax, or its beginning
	From    Millis `msgpack:"f,omitempty"` // not before
	Until   Millis `msgpack:"u,omitempty"` // before, 0 for no such limit
	Limit   int    `msgpack:"l,omitempty"` // 0: as many as one answer takes
}

// ActivityHead is what the first line of an exported activity record says: which
// entries follow, and who vouches for them.
type ActivityHead struct {
	Format      int    `msgpack:"v" json:"faxmesh_activity"` // 1
	Cluster     string `msgpack:"cl" json:"cluster"`
	Node        string `msgpack:"d" json:"node"` // that has signed
	Made        Millis `msgpack:"t" json:"made"`
	First       uint64 `msgpack:"f" json:"first"`  // number of the first entry
	Last        uint64 `msgpack:"l" json:"last"`   // and of the last
	Before      string `msgpack:"b" json:"before"` // chain value before First
	End         string `msgpack:"e" json:"end"`    // chain value of Last
	Certificate []byte `msgpack:"c" json:"certificate"`
	Authority   []byte `msgpack:"ca" json:"authority"`
	Signature   []byte `msgpack:"s" json:"signature"`
}
