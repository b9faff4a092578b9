package class1_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/class1"
	"github.com/faxmesh/faxmesh/modem/exchange"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t4"
)

type document []modem.Page

func (d document) Len() int                       { return len(d) }
func (d document) Page(i int) (modem.Page, error) { return d[i], nil }

func drawing(seed uint64, height int) modem.Page {
	b := t4.NewBitmap(1728, height)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for y := range height {
		for x := rnd.IntN(300); x < 1728; x += 1 + rnd.IntN(400) {
			for n := rnd.IntN(60); n > 0 && x < 1728; n, x = n-1, x+1 {
				b.Row(y)[x/8] |= 0x80 >> (x % 8)
			}
		}
	}
	return modem.Page{Image: b, Resolution: t4.Fine}
}

// fax is one complete call from 0301 to 0302 and what came of it.
type fax struct {
	sent, received modem.Report
	pages          []modem.ReceivedPage
	confirmed      int
}

func send(ctx context.Context, caller, called *class1.Phone, doc document, opt modem.Options) fax {
	var f fax
	waiting, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		m := modem.New(called, modem.Options{})
		if _, err := m.WaitRing(waiting); err != nil {
			return
		}
		f.received = m.Receive(ctx, modem.Incoming{Station: "called", Store: func(_ context.Context, p modem.ReceivedPage) error {
			f.pages = append(f.pages, p)
			return nil
		}})
	})
	f.sent = modem.New(caller, opt).Send(ctx, modem.Outgoing{
		Number: "0302", Station: "caller", Pages: doc,
		Confirmed: func(int) error { f.confirmed++; return nil },
	})
	cancel() // a ring that never came
	wg.Wait()
	return f
}

// check wants every page to have arrived as it was.
func (f fax) check(t *testing.T, doc document) {
	t.Helper()
	if f.sent.Status != status.OK || f.received.Status != status.OK || f.confirmed != len(doc) {
		t.Fatalf("ended %v (%v) and %v (%v), %d of %d pages confirmed\n%s\n%s", f.sent.Status, f.sent.Err, f.received.Status, f.received.Err,
			f.confirmed, len(doc), f.sent.Transcript, f.received.Transcript)
	}
	if len(f.pages) != len(doc) {
		t.Fatalf("%d pages came, want %d", len(f.pages), len(doc))
	}
	for i, p := range f.pages {
		if !p.Image.Equal(doc[i].Image) {
			t.Errorf("page %d differs", i)
		}
	}
}

func TestCalls(t *testing.T) {
	doc := document{drawing(1, 300), drawing(2, 1100), drawing(3, 40)}
	tests := []struct {
		name   string
		opt    modem.Options
		cfg    class1.Config
		line   exchange.Conditions
		coding string
		rate   line.Rate
		needs  string // what the dialogue cannot have done without
	}{
		{"ECM", modem.Options{}, class1.Config{}, exchange.Conditions{}, "MMR", line.V17x14400, "PPS"},
		{"no ECM", modem.Options{NoECM: true}, class1.Config{}, exchange.Conditions{}, "MR", line.V17x14400, "MPS"},
		{"no MR", modem.Options{NoECM: true, NoMR: true}, class1.Config{}, exchange.Conditions{}, "MH", line.V17x14400, "MPS"},
		{"MR with ECM", modem.Options{NoMMR: true}, class1.Config{}, exchange.Conditions{}, "MR", line.V17x14400, "PPS"},
		{"not adaptive", modem.Options{NoECM: true}, class1.Config{Bugs: class1.Bugs{NoAdaptive: true}}, exchange.Conditions{}, "MR", line.V17x14400, "MPS"},
		{"long way", modem.Options{}, class1.Config{}, exchange.Conditions{Delay: 300 * time.Millisecond}, "MMR", line.V17x14400, "PPS"},
		{"no delay", modem.Options{NoECM: true}, class1.Config{}, exchange.Conditions{Delay: -1}, "MR", line.V17x14400, "MPS"},
		{"noise", modem.Options{}, class1.Config{}, exchange.Conditions{Image: 5e-5}, "MMR", line.V17x14400, "PPR"},
		{"noise in V.21", modem.Options{}, class1.Config{}, exchange.Conditions{Control: 1e-3}, "MMR", line.V17x14400, "bad frame"},
		{"9600 at most", modem.Options{}, class1.Config{}, exchange.Conditions{Ceiling: 9600}, "MMR", line.V17x9600, "FTT"},
		{"2400 at most", modem.Options{}, class1.Config{}, exchange.Conditions{Ceiling: 2400}, "MMR", line.V27ter2400, "FTT"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := exchange.New(exchange.Config{Seed: 3, Conditions: tt.line})
				defer x.Close()
				f := send(t.Context(), open(t, x, "0301", tt.cfg), open(t, x, "0302", tt.cfg), doc, tt.opt)
				f.check(t, doc)
				if !strings.Contains(f.sent.Transcript, tt.needs) && !strings.Contains(f.received.Transcript, tt.needs) {
					t.Errorf("no %s in\n%s", tt.needs, f.sent.Transcript)
				}
				if f.sent.Rate != tt.rate || f.sent.Coding != tt.coding {
					t.Errorf("%v %s, want %v %s\n%s", f.sent.Rate, f.sent.Coding, tt.rate, tt.coding, f.sent.Transcript)
				}
			})
		})
	}
}

// A call that is cut is never a success, wherever it was; what was confirmed
// has arrived.
func TestCallsThatAreCut(t *testing.T) {
	doc := document{drawing(1, 200), drawing(2, 200)}
	for after := time.Second; after < 50*time.Second; after += 2 * time.Second {
		synctest.Test(t, func(t *testing.T) {
			x := exchange.New(exchange.Config{Seed: uint64(after), Conditions: exchange.Conditions{CutAfter: after}})
			defer x.Close()
			f := send(t.Context(), open(t, x, "0301", class1.Config{}), open(t, x, "0302", class1.Config{}), doc, modem.Options{})
			if f.sent.Status == status.OK {
				if f.confirmed != len(doc) || len(f.pages) != len(doc) {
					t.Errorf("cut after %v: success with %d pages confirmed, %d there", after, f.confirmed, len(f.pages))
				}
			} else if f.sent.Status != status.LineDropped && f.sent.Status != status.NoCarrier {
				t.Errorf("cut after %v: %v (%v)\n%s", after, f.sent.Status, f.sent.Err, f.sent.Transcript)
			}
			if f.confirmed > len(f.pages) {
				t.Errorf("cut after %v: %d pages confirmed, %d there", after, f.confirmed, len(f.pages))
			}
		})
	}
}

// Several calls over the same modems, faster than the wall clock and over TCP:
// real goroutines, real delays.
func TestFasterThanTheClock(t *testing.T) {
	const speed = 30
	x := exchange.New(exchange.Config{Speed: speed, Seed: 5})
	defer x.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- exchange.Serve(ctx, ln, x) }()
	defer func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	}()
	called, err := exchange.DialPort(ctx, ln.Addr().String(), "0302")
	if err != nil {
		t.Fatal(err)
	}
	if called.Speed() != speed {
		t.Errorf("speed %v", called.Speed())
	}
	p := openPort(t, called, called.Speed())
	caller := open(t, x, "0301", class1.Config{})
	doc := document{drawing(1, 200), drawing(2, 400)}
	for _, opt := range []modem.Options{{}, {NoECM: true}} {
		send(t.Context(), caller, p, doc, opt).check(t, doc)
	}
}

func openPort(t *testing.T, port io.ReadWriteCloser, speed float64) *class1.Phone {
	t.Helper()
	p, err := class1.Open(t.Context(), port, class1.Config{Speed: speed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}
