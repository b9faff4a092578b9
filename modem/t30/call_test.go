package t30_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t30"
	"github.com/faxmesh/faxmesh/modem/t4"
)

// everything is a station that can do all this system can.
func everything() dis.Capabilities {
	return dis.Capabilities{
		dis.Receive: 1, dis.Rate: dis.V27terV29V17, dis.Fine: 1, dis.Superfine: 1,
		dis.Width: dis.Width303, dis.Length: dis.Unlimited, dis.ScanTime: dis.ScanTimeNone,
		dis.ECM: 1, dis.MMR: 1,
	}
}

func without(c dis.Capabilities, fs ...dis.Field) dis.Capabilities {
	for _, f := range fs {
		c[f] = 0
	}
	return c
}

var (
	standard = dis.Format{Width: 1728, Resolution: t4.Standard}
	fine     = dis.Format{Width: 1728, Resolution: t4.Fine}
)

// octets are a page as far as the engine is concerned.
func octets(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	p[n-1] |= 1 // the filling of ECM frames must not look like part of it
	return p
}

// call is what a test does with two engines.
type call struct {
	sender, receiver dis.Capabilities
	maxRate          line.Rate
	giveUp           bool
	linger           time.Duration // of both ends
	first            int
	pages            [][]byte
	separate         int // page that begins another document; 0: none
	subaddress       string
	senderID         string
	fetch            *t30.Poll
	offered          [][]byte
	password         string                // of what is offered
	selection        string                // of what is offered
	formats          []dis.Format          // standard if short
	quality          []t30.Quality         // of pages as they are judged; good if short
	slow             int                   // times that a page is not stored yet
	storeErr         error                 // of every Store
	confirmErr       error                 // of every Confirm
	damage           linetest.Damage       // on the line
	abort            map[linetest.Side]int // step at which to abort
}

type outcome struct {
	sent, received t30.Report
	confirmed      []int
	stored         [][]byte

	// Of what was polled:
	handed  []int
	fetched [][]byte
}

// maxSteps of one engine is far more than any test call needs.
const maxSteps = 5000

// engines are the two ends of the call.
func (c call) engines() (s, r *t30.Engine) {
	s = t30.NewSender(t30.SenderConfig{Station: "+1 555 0100", Own: c.sender, MaxRate: c.maxRate, First: c.first, Pages: len(c.pages), GiveUp: c.giveUp, Linger: c.linger, Poll: c.fetch, Subaddress: c.subaddress, SenderID: c.senderID, NonStandard: []byte{0xB5, 0, 1}})
	cfg := t30.ReceiverConfig{Station: "+1 555 0199", Own: c.receiver, Linger: c.linger}
	if c.offered != nil {
		cfg.Offers = []t30.Offer{{Pages: len(c.offered), Password: c.password, Selection: c.selection}}
	}
	return s, t30.NewReceiver(cfg)
}

// run plays the call; both engines come to their end.
func (c call) run(t *testing.T) outcome {
	t.Helper()
	a, b := linetest.Pair(c.damage)
	s, r := c.engines()
	var out outcome
	var wg sync.WaitGroup
	wg.Go(func() { out.sent = c.play(t, linetest.Caller, s, a, &out) })
	wg.Go(func() { out.received = c.play(t, linetest.Called, r, b, &out) })
	wg.Wait()
	if t.Failed() {
		t.Logf("sender:\n%s\nreceiver:\n%s", out.sent.Transcript, out.received.Transcript)
	}
	return out
}

func (c call) play(t *testing.T, side linetest.Side, e *t30.Engine, l *linetest.End, out *outcome) t30.Report {
	defer l.HangUp()
	stored, confirmed, doc := &out.stored, &out.confirmed, c.pages
	if c.offered != nil {
		doc = [][][]byte{linetest.Caller: c.pages, linetest.Called: c.offered}[side]
		if side == linetest.Caller {
			stored = &out.fetched
		} else {
			confirmed = &out.handed
		}
	}
	var in t30.Event
	judged, busy := 0, 0
	for step := range maxSteps {
		in.Now = l.Now()
		if at, ok := c.abort[side]; ok && step >= at {
			in.Abort = true
		}
		o := e.Step(in)
		in = t30.Event{}
		switch o.Kind {
		case t30.Say:
			in.Err = l.Say(context.Background(), o.Signal)
		case t30.Hear:
			in.Heard, in.Err = l.Hear(context.Background(), o.Listen)
		case t30.Look:
			in.Format = standard
			if o.Page < len(c.formats) {
				in.Format = c.formats[o.Page]
			}
			in.Separate = c.separate > 0 && o.Page == c.separate
		case t30.Code:
			in.Data = doc[o.Page]
		case t30.Judge:
			in.Quality = t30.Quality{Rows: 1000}
			if judged < len(c.quality) {
				in.Quality = c.quality[judged]
			}
			judged++
		case t30.Store:
			if busy++; busy <= c.slow {
				in.Busy = true
				break
			}
			busy = 0
			if in.Err = c.storeErr; in.Err == nil {
				if o.Page != len(*stored) {
					t.Errorf("page %d stored as %d", len(*stored), o.Page)
				}
				*stored = append(*stored, bytes.Clone(o.Data))
			}
		case t30.Confirm:
			if in.Err = c.confirmErr; in.Err == nil {
				*confirmed = append(*confirmed, o.Page)
			}
		case t30.Done:
			return o.Report
		}
	}
	t.Errorf("engine did not end in %d steps", maxSteps)
	return t30.Report{}
}

// same compares received pages with those sent; ECM fills the last frame.
func same(t *testing.T, got, want [][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d pages stored, want %d", len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(bytes.TrimRight(got[i], "\x00"), want[i]) {
			t.Errorf("page %d differs from what was sent", i)
		}
	}
}

func pages(sizes ...int) [][]byte {
	var out [][]byte
	for i, n := range sizes {
		out = append(out, octets(uint64(i), n))
	}
	return out
}

var errDisk = errors.New("disk full")

// want is the end of a call.
type want struct {
	tie            status.Code // received may be this as well: both ends give up at the same moment
	sent, received status.Code
	confirmed      int   // pages
	stored         []int // indexes of the pages of the document; nil: all
}
