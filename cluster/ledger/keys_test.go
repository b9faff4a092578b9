package ledger

import (
	"bytes"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

func TestTurningKeys(t *testing.T) {
	l := fresh(t)
	is := func(want Ring) {
		t.Helper()
		r, err := l.Ring()
		if err != nil || len(r.Keys) != len(want.Keys) || r.InUse != want.InUse || r.Asked != want.Asked {
			t.Fatalf("%+v, %v; want %+v", r, err, want)
		}
		for i, k := range want.Keys {
			if r.Keys[i].Serial != k.Serial {
				t.Errorf("%+v; want %+v", r, want)
			}
		}
	}
	salt := bytes.Repeat([]byte{7}, SaltLen)
	first, both, second := []GossipKey{{}}, []GossipKey{{}, {Serial: 1}}, []GossipKey{{Serial: 1}}
	is(Ring{Keys: first})
	for _, c := range []TurnKeys{{Turn: UseTurn}, {Turn: DropTurn}, {Turn: UseTurn, Serial: 1}, {Turn: DropTurn, Serial: 1}, {Turn: AddTurn, Serial: 2, Salt: salt}} {
		refused(t, l, fax.Conflict, c)
	}
	for _, c := range []TurnKeys{{}, {Turn: DropTurn + 1}, {Turn: AddTurn, Serial: 1, Salt: salt[1:]}} {
		refused(t, l, fax.Invalid, c)
	}
	must(t, l, TurnKeys{Turn: AskTurn})
	must(t, l, TurnKeys{Turn: AskTurn})
	is(Ring{Keys: first, Asked: true})
	must(t, l, TurnKeys{Turn: AddTurn, Serial: 1, Salt: salt})
	is(Ring{Keys: both})
	refused(t, l, fax.Conflict, TurnKeys{Turn: DropTurn, Serial: 1})
	refused(t, l, fax.Conflict, TurnKeys{Turn: AddTurn, Serial: 2, Salt: salt})
	must(t, l, TurnKeys{Turn: UseTurn, Serial: 1})
	refused(t, l, fax.Conflict, TurnKeys{Turn: UseTurn, Serial: 1})
	refused(t, l, fax.Conflict, TurnKeys{Turn: DropTurn, Serial: 1})
	is(Ring{Keys: both, InUse: 1})
	// A node that goes now knows both: yet another key is wanted.
	must(t, l, member("north", 1))
	must(t, l, member("south", 2))
	must(t, l, DropNode{Name: "south", At: 3})
	is(Ring{Keys: both, InUse: 1, Asked: true})
	must(t, l, TurnKeys{Turn: DropTurn})
	is(Ring{Keys: second, InUse: 1, Asked: true})
	r, err := l.Ring()
	if index, _ := l.Applied(); err != nil || r.Index != index || !bytes.Equal(r.Keys[0].Salt, salt) {
		t.Errorf("%+v at %d, %v", r, index, err)
	}
}
