package ledger

import (
	"errors"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"go.etcd.io/bbolt"
)

// FuzzApply lays any octets before the ledger as a command, twice, on a state
// that has one of everything. Either it stops the node because its number is
// unknown, or the state stays readable and a refusal changes nothing.
func FuzzApply(f *testing.F) {
	for _, c := range append([]Command{
		Progress{Job: "j", Attempt: 1, Node: "south", State: fax.Sending, Confirmed: 1, At: 5},
		Finish{Job: "j", Attempt: 1, Node: "south", State: fax.Done, Confirmed: 2, At: 5},
		Direct{Job: "j", State: fax.Cancelled}, DropAccount{Name: "clerk"}, DropNode{Name: "south"}, Recover{Survivor: "north", At: 5}, Rebuild{Node: fax.Node{Name: "north"}, Made: 4, At: 5},
		AssignFax{ID: "r", Accounts: []string{"other"}}, SpendToken{Hash: hashOf(1), Node: "west", At: 5},
		PutRoute{Route: fax.Route{Number: "1", Accounts: []string{"clerk"}}}, job("k", "clerk", 1),
		EndSession{ID: "t", Account: "other", Expires: 40, At: 30}, Ashore{Node: "north", Era: "e", At: 1},
		Import{Node: "north", Era: "e", First: 1, Commands: [][]byte{{0, 20, 0x80}}},
		once(f, 3, 2, 1, noteOf("a")), once(f, 3, 2, 1, DropNode{Name: "south"}), once(f, 2, 2, 1, noteOf("a")), once(f, 4, 1, 1, Ashore{Node: "n", Era: "e"}),
	}, numbers...) {
		data, err := Encode(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	l := fresh(f)
	l.db.NoSync = true
	for _, c := range []Command{
		account("clerk", fax.Administrator), account("other", fax.Individual), job("j", "clerk", 2), assign("j", 1),
		PutNode{fax.Node{Name: "south", Fingerprint: hashOf(4)}}, PutDialRule{Rule: fax.DialRule{Prefix: "1", Node: "south"}},
		PutToken{Hash: hashOf(1), Expires: 10, Uses: 1, At: 1}, PutRoute{Route: fax.Route{Accounts: []string{"clerk"}}},
		Receive{fax.ReceivedFax{ID: "r", Node: "south", Assigned: []string{"clerk"}}},
		EndSession{ID: "s", Account: "clerk", Expires: 20, At: 10}, once(f, 3, 1, 1, noteOf("b")),
	} {
		must(f, l, c)
	}
	before := dump(f, l, true)
	f.Fuzz(func(t *testing.T, data []byte) {
		tx, err := l.db.Begin(true)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()             // every input meets the same state
		_, numbered := ProposerOf(data) // of that one the refusal is remembered
		for i := range uint64(2) {
			r, err := applyOne(tx, Entry{100 + i, data})
			switch {
			case errors.Is(err, ErrUnknownCommand):
				return
			case err != nil:
				t.Fatal(err)
			case i == 0 && r.Err != nil && !numbered && dumpOf(tx, true) != before:
				t.Fatalf("% x was refused (%v) and changed the state", data, r.Err)
			}
		}
		for _, err := range []error{
			readable[accountRecord](tx, inAccounts), readable[fax.Node](tx, inNodes), readable[tokenRecord](tx, inTokens),
			readable[fax.DialRule](tx, inRules), readable[fax.Route](tx, inRoutes), readable[jobRecord](tx, inJobs),
			readable[receivedRecord](tx, inReceived), readable[fax.Event](tx, inEvents), readable[fax.Activity](tx, inActivity),
			readable[endedRecord](tx, inEnded), readable[proposer](tx, inProposers), readable[Result](tx, inOnce),
		} {
			if err != nil {
				t.Error(err)
			}
		}
	})
}

func readable[T any](tx *bbolt.Tx, in bucket) error {
	_, err := scan[T](state{base: tx}, in, "", 0)
	return err
}
