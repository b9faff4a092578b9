package clientlib

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// Via is the way by which an event came.
type Via string

// The ways.
const (
	ViaCallback   Via = "callback"   // a node told it to the Listener
	ViaConnection Via = "connection" // a node told it over the client's own connection
	ViaCatchUp    Via = "catch-up"   // the client asked for what it had missed
)

// Delivery is an event with the way it came first.
type Delivery struct {
	Event fax.Event
	Via   Via
	Node  string // who told it, from its certificate
}

const (
	maxWaiting = 1024                   // events that came but were not taken yet, beside the next one
	gapWait    = 300 * time.Millisecond // until an event is asked for whose successor is there
	maxAsks    = 60                     // until an event counts as no longer kept
	maxEarly   = 4096                   // tentative events that are known again
)

// feed puts the events of an account in order. They come by several ways, more
// than once, and not in order; each leaves once, in order of the numbers. What
// does not fit is not acknowledged and asked for later: the truth is with the
// nodes.
//
// Tentative events, which a node that is cut off tells, leave as they come. When
// they come again with their numbers they have left already.
type feed struct {
	out  chan Delivery
	bell chan struct{} // one place: rung when something has changed
	acks chan struct{} // the same, for acknowledge
	told chan struct{} // closed when the first question has ended

	onceTold sync.Once

	mu      sync.Mutex
	started bool
	next    uint64 // number of the event that leaves next
	known   uint64 // number of the newest event that has come
	waiting map[uint64]Delivery
	early   early
	unacked []uint64
	behind  bool // there may be events that nobody will tell unasked
	asking  bool // a question is under way
	failed  bool // the last one had no answer
	asks    int  // since the last event left
}

func newFeed() *feed {
	return &feed{out: make(chan Delivery), bell: make(chan struct{}, 1), acks: make(chan struct{}, 1),
		told: make(chan struct{}), waiting: map[uint64]Delivery{}}
}

// early is what is known of tentative events.
type early struct {
	newest uint64 // of the session's node at the login: those up to it are old
	waits  []Delivery
	told   map[fax.Event]bool // by identity
	order  []fax.Event        // the same, the oldest first
}

// take takes a tentative event; it is false if it has to come again.
func (y *early) take(d Delivery) bool {
	id := d.Event.Identity()
	old := d.Event.Seq <= y.newest && d.Event.SameTail(y.newest)
	switch {
	case y.told[id]:
		return true
	case len(y.waits) >= maxWaiting && !old:
		return false
	}
	if len(y.order) == maxEarly {
		delete(y.told, y.order[0])
		y.order = y.order[1:]
	}
	if y.told == nil {
		y.told = map[fax.Event]bool{}
	}
	y.told[id] = true
	y.order = append(y.order, id)
	if !old {
		y.waits = append(y.waits, d)
	}
	return true
}

// start says which event was seen last. The feed asks at once for newer ones:
// what happens between a login and the moment from which the node tells events
// is told by nobody.
func (f *feed) start(after, tentative uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started, f.next, f.known, f.behind = true, after+1, after, true
	f.early.newest = tentative
	ring(f.bell)
}

// ask lets the feed ask for what it has missed.
func (f *feed) ask() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.behind = true
	ring(f.bell)
}

// newest is the number of the newest event that has come, by whatever way.
func (f *feed) newest() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known
}

// offer takes events that came and returns the numbers of those that need not
// be told again.
func (f *feed) offer(events []fax.Event, via Via, node string) []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.started {
		return nil
	}
	taken := make([]uint64, 0, len(events))
	for _, e := range events {
		if e.Tentative() {
			if f.early.take(Delivery{Event: e, Via: via, Node: node}) {
				taken = append(taken, e.Seq)
			} else {
				f.behind = true
			}
			continue
		}
		f.known = max(f.known, e.Seq)
		_, twice := f.waiting[e.Seq]
		switch {
		case twice || e.Seq < f.next:
		case len(f.waiting) >= maxWaiting && e.Seq != f.next:
			f.behind = true
			continue
		default:
			f.waiting[e.Seq] = Delivery{Event: e, Via: via, Node: node}
		}
		taken = append(taken, e.Seq)
	}
	// Old acknowledgements may be lost: the event then comes again.
	f.unacked = append(f.unacked, taken...)
	f.unacked = f.unacked[max(0, len(f.unacked)-maxWaiting):]
	ring(f.bell)
	ring(f.acks)
	return taken
}

// run hands events over until ctx ends, then closes out. missed is asked for
// the events after a number.
func (f *feed) run(ctx context.Context, missed func(ctx context.Context, after uint64) ([]fax.Event, string, error)) {
	var wg sync.WaitGroup
	defer close(f.out)
	defer wg.Wait()
	gap := time.NewTimer(gapWait)
	defer gap.Stop()
	armed := true
	for {
		d, ready, question := f.look()
		var out chan<- Delivery
		if ready {
			out = f.out
		}
		if question.now {
			wg.Go(func() { f.catchUp(ctx, question.after, missed) })
		}
		if question.later && !armed {
			gap.Reset(gapWait)
			armed = true
		}
		select {
		case out <- d:
			f.handed(d.Event.Seq)
		case <-f.bell:
		case <-gap.C:
			armed = false
			if question.later {
				f.ask()
			}
		case <-ctx.Done():
			return
		}
	}
}

// question is what to ask the node: now, or when the gap stays.
type question struct {
	now, later bool
	after      uint64
}

// look decides what to do next: hand the next event over, ask, or wait.
func (f *feed) look() (Delivery, bool, question) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, ready := f.waiting[f.next]
	for ready && f.early.told[d.Event.Identity()] {
		delete(f.waiting, f.next)
		f.next, f.asks = f.next+1, 0
		d, ready = f.waiting[f.next]
	}
	missing := !ready && len(f.waiting) > 0
	if !ready && len(f.early.waits) > 0 {
		d, ready = f.early.waits[0], true
	}
	var q question
	switch {
	case !f.started || f.asking:
	case f.behind && (!ready || len(f.waiting) < maxWaiting):
		f.behind, f.asking, f.failed = false, true, false
		q = question{now: true, after: f.next - 1}
	case f.failed || missing:
		q.later = true
	}
	return d, ready, q
}

// handed notes that an event has left.
func (f *feed) handed(seq uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.early.waits) > 0 && f.early.waits[0].Event.Seq == seq {
		f.early.waits = f.early.waits[1:]
		return
	}
	delete(f.waiting, seq)
	f.next, f.asks = max(f.next, seq+1), 0
}

// catchUp asks once for what comes after a number.
func (f *feed) catchUp(ctx context.Context, after uint64, missed func(context.Context, uint64) ([]fax.Event, string, error)) {
	events, node, err := missed(ctx, after)
	if err == nil {
		f.offer(events, ViaCatchUp, node)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asking, f.failed = false, err != nil
	f.asks++
	if err == nil {
		f.settleLocked(after, slices.DeleteFunc(events, fax.Event.Tentative))
	}
	f.onceTold.Do(func() { close(f.told) })
	ring(f.bell)
}

// settleLocked draws the conclusions from an answer. An answer that begins
// later than asked for says that what is between is not kept any more; a full
// one that there may be more; one without what is missing, time and again,
// that waiting is in vain.
func (f *feed) settleLocked(after uint64, events []fax.Event) {
	f.behind = f.behind || len(events) == wire.MaxEvents
	moved := f.next != after+1
	if len(f.waiting) == 0 || moved || len(events) == 0 && f.asks < maxAsks {
		return
	}
	f.next = slices.Min(slices.Collect(maps.Keys(f.waiting)))
}

// toAck waits for acknowledgements that are due and takes them.
func (f *feed) toAck(ctx context.Context) ([]uint64, bool) {
	for {
		f.mu.Lock()
		n := min(len(f.unacked), wire.MaxSeqs)
		seqs := f.unacked[:n:n]
		f.unacked = f.unacked[n:]
		f.mu.Unlock()
		if n > 0 {
			return seqs, true
		}
		select {
		case <-f.acks:
		case <-ctx.Done():
			return nil, false
		}
	}
}

func ring(bell chan<- struct{}) {
	select {
	case bell <- struct{}{}:
	default: // it is ringing already
	}
}
