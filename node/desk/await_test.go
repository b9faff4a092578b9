package desk

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// TestAwait: a client that another node has told of a fax finds it here as
// soon as this node's ledger has it, and an island answers with what it has.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := setUp(t)
		s := login(t, d, "clerk")
		began := time.Now()
		found := make(chan int)
		go func() {
			d.Await(t.Context(), s, 1)
			list, err := d.Inbox(t.Context(), s, 0)
			if err != nil {
				t.Error(err)
			}
			found <- len(list)
		}()
		synctest.Wait() // it waits now
		w.must(ledger.Receive{Fax: fax.ReceivedFax{ID: "f1", Node: "west", Line: "LINE1", Assigned: []string{"clerk"}, Fax: document(1)}})
		if n := <-found; n != 1 || time.Since(began) >= Staleness {
			t.Errorf("%d faxes after %v", n, time.Since(began))
		}
		d.Await(t.Context(), s, 99)
		if waited := time.Since(began); waited != Staleness {
			t.Errorf("an event that does not come was awaited for %v", waited)
		}
	})
}

func document(pages int) fax.Document {
	return fax.Document{Hash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Size: 1, Pages: pages}
}
