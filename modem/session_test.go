package modem_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	lt "github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t30"
	"github.com/faxmesh/faxmesh/modem/t4"
)

// phone is one end of a call that is always answered, unless fail says why not.
type phone struct {
	end   *lt.End
	fail  error
	mu    sync.Mutex
	hooks int // times it was hung up
}

func (p *phone) Dial(context.Context, string) (line.Line, error) { return p.end, p.fail }
func (p *phone) Answer(context.Context) (line.Line, error)       { return p.end, p.fail }
func (p *phone) WaitRing(context.Context) (modem.Ring, error)    { return modem.Ring{}, nil }
func (p *phone) Reset(context.Context) error                     { return nil }
func (p *phone) Close() error                                    { return nil }

func (p *phone) HangUp(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hooks++
	if p.end != nil {
		p.end.HangUp()
	}
	return ctx.Err()
}

type document []modem.Page

func (d document) Len() int                       { return len(d) }
func (d document) Page(i int) (modem.Page, error) { return d[i], nil }

// drawing is a page with runs of all lengths.
func drawing(seed uint64, width, height int, r t4.Resolution) modem.Page {
	b := t4.NewBitmap(width, height)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for y := range height {
		for x := rnd.IntN(300); x < width; x += 1 + rnd.IntN(400) {
			for n := rnd.IntN(60); n > 0 && x < width; n, x = n-1, x+1 {
				b.Row(y)[x/8] |= 0x80 >> (x % 8)
			}
		}
	}
	return modem.Page{Image: b, Resolution: r}
}

// exchange is what comes of a call from one modem to the other.
type exchange struct {
	sent, received modem.Report
	pages          []modem.ReceivedPage
	confirmed      []int
	stages         []modem.Stage
}

func ring(t *testing.T, ctx context.Context, out modem.Outgoing, from, to modem.Options, damage lt.Damage) exchange {
	t.Helper()
	a, b := lt.Pair(damage)
	caller, called := &phone{end: a}, &phone{end: b}
	var x exchange
	stage := out.Stage
	out.Number, out.Station = "5550199", "caller"
	out.Confirmed = func(p int) error { x.confirmed = append(x.confirmed, p); return nil }
	out.Stage = func(s modem.Stage) {
		x.stages = append(x.stages, s)
		if stage != nil {
			stage(s)
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { x.sent = modem.New(caller, from).Send(ctx, out) })
	wg.Go(func() {
		x.received = modem.New(called, to).Receive(context.Background(), modem.Incoming{
			Station: "called",
			Store: func(_ context.Context, p modem.ReceivedPage) error {
				x.pages = append(x.pages, p)
				return nil
			},
		})
	})
	wg.Wait()
	if caller.hooks == 0 || called.hooks == 0 {
		t.Error("a line was left off hook")
	}
	return x
}

func TestPagesArriveAsTheyWere(t *testing.T) {
	doc := document{
		drawing(1, 1728, 300, t4.Standard),
		drawing(2, 1728, 2200, t4.Fine), // more than one partial page
		drawing(3, 2432, 200, t4.Superfine),
		drawing(4, 2432, 1, t4.Superfine),
	}
	for _, c := range []struct {
		name     string
		from, to modem.Options
		coding   string
		ecm      bool
		rate     line.Rate
	}{
		{"MMR", modem.Options{}, modem.Options{}, "MMR", true, line.V17x14400},
		{"MR with ECM", modem.Options{NoMMR: true}, modem.Options{}, "MR", true, line.V17x14400},
		{"MH with ECM", modem.Options{NoMMR: true}, modem.Options{NoMR: true}, "MH", true, line.V17x14400},
		{"without ECM", modem.Options{}, modem.Options{NoECM: true}, "MR", false, line.V17x14400},
		{"MH without ECM", modem.Options{NoMR: true}, modem.Options{NoECM: true}, "MH", false, line.V17x14400},
		{"slow sender", modem.Options{MaxRate: line.V17x12000}, modem.Options{}, "MMR", true, line.V17x12000},
		{"slow receiver", modem.Options{}, modem.Options{MaxRate: line.V27ter4800}, "MMR", true, line.V27ter4800},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := ring(t, t.Context(), modem.Outgoing{Pages: doc}, c.from, c.to, nil)
			if x.sent.Status != status.OK || x.received.Status != status.OK || len(x.confirmed) != len(doc) {
				t.Fatalf("ended %v, %v with %v confirmed\n%s", x.sent.Status, x.received.Status, x.confirmed, x.sent.Transcript)
			}
			if x.sent.Coding != c.coding || x.sent.ECM != c.ecm || x.sent.Rate != c.rate || x.sent.Duration <= 0 {
				t.Errorf("report says %v %v %v %v", x.sent.Coding, x.sent.ECM, x.sent.Rate, x.sent.Duration)
			}
			if x.sent.Remote != "called" || x.received.Remote != "caller" {
				t.Errorf("stations %q and %q", x.sent.Remote, x.received.Remote)
			}
			for i, p := range x.pages {
				if !p.Image.Equal(doc[i].Image) || p.Resolution != doc[i].Resolution || p.BadRows != 0 || p.Index != i {
					t.Errorf("page %d is not what was sent", i)
				}
			}
		})
	}
}

// Damaged rows of a page without ECM are counted and a page with too many of
// them is sent again.
func TestDamagedPageIsSentAgain(t *testing.T) {
	doc := document{drawing(1, 1728, 500, t4.Standard), drawing(2, 1728, 10, t4.Standard)}
	spoil := func(tr *lt.Transmission) {
		for i := 100; i < len(tr.Signal.Data); i += 150 {
			tr.Signal.Data[i] ^= 0x3C
		}
	}
	damage := lt.When(lt.Nth(lt.Kind(lt.Caller, line.Page), 1), spoil)
	x := ring(t, t.Context(), modem.Outgoing{Pages: doc}, modem.Options{NoECM: true}, modem.Options{}, damage)
	if x.sent.Status != status.OK || !strings.Contains(x.sent.Transcript, "RTN") {
		t.Errorf("ended %v\n%s", x.sent.Status, x.sent.Transcript)
	}
	if len(x.pages) != 2 || !x.pages[0].Image.Equal(doc[0].Image) {
		t.Error("the page kept is not the one that was sent again")
	}
}

// Documents go either way in one call, each with its pages as they were.
func TestPolling(t *testing.T) {
	a, b := lt.Pair(nil)
	sent := document{drawing(1, 1728, 100, t4.Standard)}
	offered := document{drawing(2, 1728, 200, t4.Fine), drawing(3, 1728, 50, t4.Standard)}
	var came, fetched []modem.ReceivedPage
	var handed []int
	keep := func(to *[]modem.ReceivedPage) func(context.Context, modem.ReceivedPage) error {
		return func(_ context.Context, p modem.ReceivedPage) error { *to = append(*to, p); return nil }
	}
	var out, in modem.Report
	var wg sync.WaitGroup
	wg.Go(func() {
		out = modem.New(&phone{end: a}, modem.Options{}).Send(t.Context(), modem.Outgoing{
			Number: "5550199", Pages: sent, Subaddress: "17", Poll: &modem.Poll{Store: keep(&fetched)},
		})
	})
	wg.Go(func() {
		in = modem.New(&phone{end: b}, modem.Options{}).Receive(t.Context(), modem.Incoming{
			Store:  keep(&came),
			Offers: []modem.Offer{{Pages: offered, Confirmed: func(p int) error { handed = append(handed, p); return nil }}},
		})
	})
	wg.Wait()
	if out.Status != status.OK || in.Status != status.OK || in.Subaddress != "17" || len(handed) != 2 || out.Pages != 3 {
		t.Errorf("ended %v and %v, sub-address %q, %v handed over\n%s", out.Status, in.Status, in.Subaddress, handed, out.Transcript)
	}
	if len(came) != 1 || !came[0].Image.Equal(sent[0].Image) || len(fetched) != 2 ||
		!fetched[0].Image.Equal(offered[0].Image) || !fetched[1].Image.Equal(offered[1].Image) || fetched[1].Index != 1 {
		t.Errorf("%d pages came, %d fetched; not as they were", len(came), len(fetched))
	}
}

// While a page is being stored the sender is told to wait, and is told of the
// page no sooner than it is there.
func TestSlowStore(t *testing.T) {
	for name, c := range map[string]struct {
		takes time.Duration
		want  status.Code // of the receiver
		says  string
	}{
		"slow": {5 * time.Second, status.OK, "RNR"},
		"dead": {time.Hour, status.NotStored, "RNR"},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, b := lt.Pair(nil)
			var sent, received modem.Report
			var kept, confirmed int
			var wg sync.WaitGroup
			wg.Go(func() {
				sent = modem.New(&phone{end: a}, modem.Options{}).Send(t.Context(), modem.Outgoing{
					Pages:     document{drawing(1, 1728, 100, t4.Standard)},
					Confirmed: func(int) error { confirmed++; return nil },
				})
			})
			wg.Go(func() {
				received = modem.New(&phone{end: b}, modem.Options{}).Receive(t.Context(), modem.Incoming{
					Store: func(context.Context, modem.ReceivedPage) error {
						time.Sleep(c.takes)
						kept++
						return nil
					},
				})
			})
			wg.Wait()
			if received.Status != c.want || (sent.Status == status.OK) != (c.want == status.OK) || confirmed > kept || kept != 1 {
				t.Errorf("%s: ended %v and %v, %d stored, %d confirmed", name, sent.Status, received.Status, kept, confirmed)
			}
			if !strings.Contains(received.Transcript, c.says) {
				t.Errorf("%s: no %s in\n%s", name, c.says, received.Transcript)
			}
		})
	}
}

// A receiver that has not the page's resolution gets it in its own.
func TestPageIsFitted(t *testing.T) {
	old := dis.Capabilities{dis.Receive: 1, dis.Rate: dis.V29, dis.ScanTime: dis.ScanTimeNone}
	damage := lt.When(lt.Command(lt.Called, byte(t30.DIS)), lt.Replace(hdlc.Append(nil, true, byte(t30.DIS), old.Append(nil)...)))
	doc := document{drawing(1, 2432, 400, t4.Fine), drawing(2, 1728, 100, t4.Standard)}
	x := ring(t, t.Context(), modem.Outgoing{Pages: doc}, modem.Options{}, modem.Options{}, damage)
	if x.sent.Status != status.OK || len(x.pages) != 2 {
		t.Fatalf("ended %v with %d pages\n%s", x.sent.Status, len(x.pages), x.sent.Transcript)
	}
	first := x.pages[0]
	if first.Resolution != t4.Standard || first.Image.Width != 1728 || first.Image.Height != 142 {
		t.Errorf("page of %d x %d at %v", first.Image.Width, first.Image.Height, first.Resolution)
	}
	if !x.pages[1].Image.Equal(doc[1].Image) {
		t.Error("the page that fitted differs")
	}
}

func TestAbortSaysDCN(t *testing.T) {
	doc := document{drawing(1, 1728, 100, t4.Standard), drawing(2, 1728, 100, t4.Standard)}
	ctx, cancel := context.WithCancel(t.Context())
	out := modem.Outgoing{Pages: doc, Stage: func(s modem.Stage) {
		if s.Name == "page" && s.Page == 1 {
			cancel()
		}
	}}
	x := ring(t, ctx, out, modem.Options{}, modem.Options{}, nil)
	if x.sent.Status != status.Aborted || x.sent.Pages != 1 || !strings.Contains(x.sent.Transcript, "> DCN") {
		t.Errorf("ended %v after %d pages\n%s", x.sent.Status, x.sent.Pages, x.sent.Transcript)
	}
	if x.received.Status != status.SenderLeft || len(x.pages) != 1 {
		t.Errorf("receiver ended %v with %d pages", x.received.Status, len(x.pages))
	}
}

func TestStages(t *testing.T) {
	doc := document{drawing(1, 1728, 10, t4.Standard), drawing(2, 1728, 10, t4.Standard)}
	x := ring(t, t.Context(), modem.Outgoing{Pages: doc}, modem.Options{}, modem.Options{}, nil)
	var got []string
	for _, s := range x.stages {
		got = append(got, s.Name)
	}
	if s := strings.Join(got, " "); s != "dialing answered training page page" {
		t.Errorf("stages: %s", s)
	}
	if d := x.stages[4].Detail; d != "V.17 14400, ECM, MMR" || x.stages[4].Page != 1 {
		t.Errorf("last stage: %+v", x.stages[4])
	}
}

func TestCallsThatAreNotSetUp(t *testing.T) {
	doc := document{drawing(1, 1728, 10, t4.Standard)}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		err  error
		want status.Code
	}{
		{"busy", t.Context(), &status.Error{Code: status.Busy}, status.Busy},
		{"modem", t.Context(), line.ErrModem, status.ModemFailure},
		{"released", t.Context(), line.ErrHungUp, status.LineDropped},
		{"cancelled", cancelled, context.Canceled, status.Aborted},
	} {
		p := &phone{fail: c.err}
		r := modem.New(p, modem.Options{}).Send(c.ctx, modem.Outgoing{Pages: doc})
		if r.Status != c.want || !errors.Is(r.Err, c.err) || p.hooks != 1 {
			t.Errorf("%s: %v, %v, hung up %d times", c.name, r.Status, r.Err, p.hooks)
		}
	}
	if r := modem.New(&phone{}, modem.Options{}).Send(t.Context(), modem.Outgoing{Pages: document{}}); r.Status != status.BadDocument {
		t.Errorf("empty document: %v", r.Status)
	}
	bad := modem.Outgoing{Pages: document{{}}}
	if x := ring(t, t.Context(), bad, modem.Options{}, modem.Options{}, nil); x.sent.Status != status.BadDocument || x.received.Status != status.SenderLeft {
		t.Errorf("empty page: %v, %v", x.sent.Status, x.received.Status)
	}
}
