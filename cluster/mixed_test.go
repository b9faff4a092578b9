package cluster

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/peer"
)

func TestUnderstood(t *testing.T) {
	now, next := fax.Node{Name: "now", Knows: ledger.Baseline}, fax.Node{Name: "next", Knows: ledger.Baseline + 2}
	silent := fax.Node{Name: "silent"}
	for _, c := range []struct {
		change int
		nodes  []fax.Node
		older  string // "" if it may be proposed
	}{
		{ledger.Baseline, []fax.Node{now, next, silent}, ""},
		{ledger.Baseline + 1, []fax.Node{next}, ""},
		{ledger.Baseline + 2, []fax.Node{next, next}, ""},
		{ledger.Baseline + 3, []fax.Node{next}, "older are: next"},
		{ledger.Baseline + 1, []fax.Node{next, silent, now}, "older are: now, silent"},
		{ledger.Baseline + 1, nil, "older are"},
	} {
		err := understood(c.change, c.nodes)
		if (err == nil) != (c.older == "") || err != nil && (fax.KindOf(err) != fax.Unavailable || !strings.Contains(err.Error(), c.older)) {
			t.Errorf("change %d among %v: %v, want %q", c.change, c.nodes, err, c.older)
		}
	}
}

// A change of the next release stops no node: neither one that a node of that
// release sends to a leader of this one, nor one that such a leader makes while
// a member is of this one.
func TestNewerChangesWait(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south")
	w.agree()
	north := w.nodes["north"]
	newer := binary.BigEndian.AppendUint16(nil, uint16(ledger.Newest)+1)
	newer = append(newer, 0x80)
	waitFor(t, "both have said what they know", func() bool {
		nodes, err := north.Ledger().Nodes()
		return err == nil && len(nodes) == 2 && nodes[0].Knows == ledger.Newest && nodes[1].Knows == ledger.Newest
	})
	once, err := ledger.Encode(ledger.Once{Node: "south", Run: 1, Seq: 1, Open: 1, Command: newer})
	if err != nil {
		t.Fatal(err)
	}
	for what, data := range map[string][]byte{"plain": newer, "wrapped": once} {
		if _, _, err := north.proposeHere(patience(t), data); fax.KindOf(err) != fax.Unavailable || !strings.Contains(err.Error(), "older are: north, south") {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.propose("south", "clerk")

	token, err := north.NewToken(patience(t), "admin", 1, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parseToken(token)
	if err != nil {
		t.Fatal(err)
	}
	old := asking{Secret: parsed.secret[:], Request: request(t), Node: fax.Node{Name: "west", Knows: ledger.Baseline - 1}}
	if _, err := north.admit(patience(t), old); fax.KindOf(err) != fax.Unsupported {
		t.Errorf("a node of an older release joins: %v", err)
	}
	old.Node.Knows = ledger.Newest
	if _, err := north.admit(patience(t), old); err != nil { // it may try again with the token
		t.Error(err)
	}
}

// request is a certificate request as a node sends it that joins.
func request(t *testing.T) []byte {
	t.Helper()
	a, err := peer.Apply(t.TempDir(), "west")
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.Request()
	if err != nil {
		t.Fatal(err)
	}
	return r
}
