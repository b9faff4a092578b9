package clientlib

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// ledger is what the nodes know of an account's events.
type ledger struct {
	mu     sync.Mutex
	events []fax.Event // all, numbered from 1
	lag    int         // events that the asked node does not know yet
	pruned int         // events that are kept no more
	broken int         // questions that fail from now on
}

func (l *ledger) add() fax.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, fax.Event{Seq: uint64(len(l.events) + 1)})
	return l.events[len(l.events)-1]
}

func (l *ledger) missed(_ context.Context, after uint64) ([]fax.Event, string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken > 0 {
		l.broken--
		return nil, "", errors.New("no node answers")
	}
	known := l.events[:max(0, len(l.events)-l.lag)]
	from := min(max(int(after), l.pruned), len(known))
	return slices.Clone(known[from:min(from+wire.MaxEvents, len(known))]), "north", nil
}

// startFeed runs a feed until the test's bubble ends.
func startFeed(t *testing.T, l *ledger, after uint64) *feed {
	ctx, cancel := context.WithCancel(t.Context())
	f := newFeed()
	f.start(after, 0)
	done := make(chan struct{})
	go func() {
		f.run(ctx, l.missed)
		close(done)
	}()
	<-f.told
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return f
}

func take(t *testing.T, f *feed, want uint64) Delivery {
	t.Helper()
	select {
	case d := <-f.out:
		if d.Event.Seq != want {
			t.Fatalf("event %d leaves, want %d", d.Event.Seq, want)
		}
		return d
	case <-time.After(time.Minute):
		t.Fatalf("event %d never leaves", want)
		return Delivery{}
	}
}

// TestEachEventOnceInOrder loses, repeats and shuffles events at random.
func TestEachEventOnceInOrder(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			l := &ledger{}
			f := startFeed(t, l, 0)
			const n = 400
			go func() {
				var late []fax.Event
				for range n {
					e := l.add()
					switch r.IntN(5) {
					case 0: // never told
					case 1, 2:
						late = append(late, e)
					default:
						f.offer([]fax.Event{e, e}, ViaConnection, "north")
					}
					if r.IntN(10) == 0 {
						r.Shuffle(len(late), func(i, k int) { late[i], late[k] = late[k], late[i] })
						f.offer(late, ViaCallback, "south")
						late = late[r.IntN(len(late)+1):]
						time.Sleep(time.Duration(r.IntN(500)) * time.Millisecond)
					}
				}
				f.ask() // as after a reconnection
			}()
			for seq := uint64(1); seq <= n; seq++ {
				take(t, f, seq)
			}
			select {
			case d := <-f.out:
				t.Errorf("seed %d: event %d leaves twice", seed, d.Event.Seq)
			case <-time.After(time.Minute):
			}
		})
	}
}

func TestGapIsAskedForWhenItStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{broken: 2, lag: 3} // the first questions are asked again
		f := startFeed(t, l, 0)
		one, two, three := l.add(), l.add(), l.add()
		begin := time.Now()
		f.offer([]fax.Event{three}, ViaCallback, "south")
		time.Sleep(gapWait / 2)
		f.offer([]fax.Event{one}, ViaCallback, "west") // came in time: nobody is asked
		if d := take(t, f, 1); d.Via != ViaCallback || d.Node != "west" {
			t.Errorf("%+v", d)
		}
		go func() {
			time.Sleep(5 * time.Second) // the asked node has fallen behind
			l.mu.Lock()
			l.lag = 0
			l.mu.Unlock()
		}()
		if d := take(t, f, 2); d.Via != ViaCatchUp || d.Event != two {
			t.Errorf("%+v", d)
		}
		if d := take(t, f, 3); d.Via != ViaCallback {
			t.Errorf("%+v", d)
		}
		if waited := time.Since(begin); waited < 5*time.Second || waited > 6*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestWhatIsNotKeptIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{pruned: 5}
		for range 8 {
			l.add()
		}
		f := startFeed(t, l, 2)
		for seq := uint64(6); seq <= 8; seq++ {
			take(t, f, seq)
		}
		// Event 9 exists nowhere: the feed waits for it, not for ever.
		f.offer([]fax.Event{{Seq: 10}}, ViaConnection, "north")
		begin := time.Now()
		take(t, f, 10)
		if waited := time.Since(begin); waited < maxAsks/2*gapWait || waited > 2*maxAsks*gapWait {
			t.Errorf("waited %v", waited)
		}
		if f.newest() != 10 {
			t.Errorf("newest is %d", f.newest())
		}
	})
}

// TestFloodIsBounded offers far more than anybody takes.
func TestFloodIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		f := startFeed(t, l, 0)
		const n = 5 * maxWaiting
		for range n {
			if e := l.add(); e.Seq > 1 { // a gap at once, so that nothing leaves
				f.offer([]fax.Event{e}, ViaConnection, "north")
			}
		}
		synctest.Wait()
		f.mu.Lock()
		waiting, unacked := len(f.waiting), len(f.unacked)
		f.mu.Unlock()
		if waiting > maxWaiting+1 || unacked > maxWaiting {
			t.Errorf("%d events wait, %d acknowledgements", waiting, unacked)
		}
		for seq := uint64(1); seq <= n; seq++ {
			take(t, f, seq)
		}
	})
}

// TestTentativeEvents: what an island tells leaves at once, and not again when
// it comes with its numbers behind what happened elsewhere.
func TestTentativeEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		old := l.add()
		f := startFeed(t, l, old.Seq)
		early := func(k uint64, id string) fax.Event {
			return fax.Event{Account: "a", Seq: fax.Tentative + k, Kind: fax.EventSent, Fax: id, Node: "north", At: fax.Millis(k)}
		}
		one, two := early(1, "one"), early(2, "two")
		for range 2 {
			if got := f.offer([]fax.Event{one, two}, ViaCallback, "north"); len(got) != 2 {
				t.Errorf("acknowledged %v", got)
			}
		}
		take(t, f, one.Seq)
		take(t, f, two.Seq)
		if f.newest() != old.Seq {
			t.Errorf("the newest number is %d, want %d", f.newest(), old.Seq)
		}
		elsewhere := l.add()
		for _, e := range []fax.Event{one, two} { // the merge
			e.Seq = uint64(len(l.events) + 1)
			l.mu.Lock()
			l.events = append(l.events, e)
			l.mu.Unlock()
		}
		last := l.add()
		f.offer([]fax.Event{last}, ViaConnection, "north")
		take(t, f, elsewhere.Seq)
		take(t, f, last.Seq)
		select {
		case d := <-f.out:
			t.Errorf("%+v leaves too", d)
		case <-time.After(time.Minute):
		}
	})
}
