package modem

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/station"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t30"
)

// Options limits what a Modem offers and uses. The zero value limits nothing.
type Options struct {
	NoECM   bool
	NoMMR   bool
	NoMR    bool
	MaxRate line.Rate    // highest rate; V21: no limit
	Log     *slog.Logger // nil: nothing is logged
	// NonStandard is the content of NSF and NSC, from the T.35 country code on;
	// empty: they are not sent.
	NonStandard []byte
	// Linger is how long to stay on the line behind a DCN said, in line time;
	// 0: only as long as the line holds sound back. T.30 asks for none.
	Linger time.Duration
}

// Time on the wall clock for ending a call in good order.
const (
	hangUpTimeout = 30 * time.Second
	// abortTimeout is for what remains to be said after a call is aborted: DCN,
	// or the last confirmation.
	abortTimeout = 15 * time.Second
)

// New makes a Modem of a Phone by running T.30 on its lines.
func New(p Phone, opt Options) Modem {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return &phoneModem{Phone: p, opt: opt}
}

// phoneModem is a Phone whose host runs T.30.
type phoneModem struct {
	Phone
	opt Options
}

// capabilities are what this host and its modem can do, within the options, on
// a call in which pages may go in these directions.
func (m *phoneModem) capabilities(send, receive bool) dis.Capabilities {
	c := dis.Capabilities{
		dis.Receive: 1, dis.Rate: m.rates(send, receive), dis.MR: 1,
		dis.Fine: 1, dis.Superfine: 1, dis.R300: 1, dis.R16: 1, dis.Inch: 1, dis.Metric: 1,
		dis.Width: dis.Width303, dis.Length: dis.Unlimited, dis.ScanTime: dis.ScanTimeNone,
		dis.ECM: 1, dis.MMR: 1, dis.SUB: 1,
	}
	if m.opt.NoECM {
		c[dis.ECM], c[dis.MMR] = 0, 0
	}
	if m.opt.NoMMR {
		c[dis.MMR] = 0
	}
	if m.opt.NoMR {
		c[dis.MR] = 0
	}
	return c
}

func (m *phoneModem) Send(ctx context.Context, out Outgoing) Report {
	pages := 0
	if out.Pages != nil {
		pages = out.Pages.Len()
	}
	if out.First < 0 || out.First >= pages && (pages > 0 || out.Poll == nil) {
		return Report{Status: status.BadDocument, Err: errors.New("modem: the document has no page to send")}
	}
	advice := out.Known.Advise(time.Now())
	if text := advice.String(); text != "" {
		m.opt.Log.Debug("the call heeds what is known of the station", "number", out.Number, "advice", text)
	}
	m = m.advised(advice)
	stage := stages{tell: out.Stage}
	stage.set(Stage{Name: "dialing"})
	defer m.hangUp(ctx)
	l, err := m.Dial(ctx, out.Number)
	if err != nil {
		return failed(ctx, fmt.Errorf("dial: %w", err))
	}
	stage.set(Stage{Name: "answered"})
	cfg := t30.SenderConfig{
		Station:     out.Station,
		Subaddress:  out.Subaddress,
		SenderID:    out.SenderID,
		NonStandard: m.opt.NonStandard,
		Own:         m.capabilities(pages > 0, out.Poll != nil),
		MaxRate:     m.opt.MaxRate,
		First:       out.First,
		Pages:       pages,
		GiveUp:      advice.GiveUp,
		Linger:      m.opt.Linger,
	}
	d := desk{out: &sending{pages: out.Pages, confirmed: out.Confirmed}}
	if out.Poll != nil {
		cfg.Poll = &t30.Poll{Password: out.Poll.Password, Selection: out.Poll.Selection, Subaddress: out.Poll.Subaddress}
		d.in = &receiving{store: out.Poll.Store}
	}
	c := call{line: l, stage: stage, desk: d}
	rep, seen := c.run(ctx, t30.NewSender(cfg))
	rep.Converted = d.out.converted
	rep.Known = out.Known.Learn(rep.Status, seen, time.Now())
	return rep
}

// advised is m for a call to a station that such advice is given about.
func (m *phoneModem) advised(a station.Advice) *phoneModem {
	opt := m.opt
	opt.NoECM = opt.NoECM || a.NoECM
	opt.NoMMR = opt.NoMMR || a.NoMMR
	opt.NoMR = opt.NoMR || a.NoMR
	if a.MaxRate != line.V21 && (opt.MaxRate == line.V21 || a.MaxRate < opt.MaxRate) {
		opt.MaxRate = a.MaxRate
	}
	return &phoneModem{Phone: m.Phone, opt: opt}
}

func (m *phoneModem) Receive(ctx context.Context, in Incoming) Report {
	stage := stages{tell: in.Stage}
	defer m.hangUp(ctx)
	l, err := m.Answer(ctx)
	if err != nil {
		return failed(ctx, fmt.Errorf("answer: %w", err))
	}
	stage.set(Stage{Name: "answered"})
	cfg := t30.ReceiverConfig{
		Station:     in.Station,
		NonStandard: m.opt.NonStandard,
		Own:         m.capabilities(len(in.Offers) > 0, true),
		Linger:      m.opt.Linger,
	}
	d := desk{in: &receiving{store: in.Store}}
	for _, o := range in.Offers {
		cfg.Offers = append(cfg.Offers, t30.Offer{
			Pages: o.Pages.Len(), Selection: o.Selection, Subaddress: o.Subaddress, Password: o.Password, MaxRate: m.opt.MaxRate,
		})
		d.offered = append(d.offered, &sending{pages: o.Pages, confirmed: o.Confirmed})
	}
	c := call{line: l, stage: stage, desk: d}
	rep, _ := c.run(ctx, t30.NewReceiver(cfg))
	for _, o := range d.offered { // one of them at most was fetched
		rep.Converted = append(rep.Converted, o.converted...)
	}
	return rep
}

// hangUp puts the line on hook, whatever has become of ctx.
func (m *phoneModem) hangUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hangUpTimeout)
	defer cancel()
	if err := m.HangUp(ctx); err != nil {
		m.opt.Log.Warn("the line could not be put on hook; the modem needs a reset", "err", err)
	}
}

// failed reports a call that was not set up.
func failed(ctx context.Context, err error) Report {
	code := status.ModemFailure
	var known *status.Error
	switch {
	case errors.As(err, &known):
		code = known.Code
	case ctx.Err() != nil:
		code = status.Aborted
	case errors.Is(err, line.ErrHungUp):
		code = status.LineDropped
	}
	return Report{Status: code, Err: err}
}

// call is one call on a line.
type call struct {
	line  line.Line
	stage stages
	desk  desk
}

// run steps the engine until the call is over. When ctx is cancelled, whatever
// is being said or heard is broken off and the engine told to end; what it says
// then has a time limit of its own.
func (c *call) run(ctx context.Context, e *t30.Engine) (Report, t30.Seen) {
	defer c.desk.in.wait()
	wire := ctx
	var in t30.Event
	for {
		in.Now = c.line.Now()
		if ctx.Err() != nil {
			in.Abort = true
			if wire == ctx {
				limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
				defer cancel() // once: from now on wire is another
				wire = limited
			}
		}
		o := e.Step(in)
		if o.Kind == t30.Done {
			return c.report(o.Report), o.Report.Seen
		}
		c.progress(o)
		in = c.carryOut(ctx, wire, o)
	}
}

func (c *call) carryOut(ctx, wire context.Context, o t30.Order) (in t30.Event) {
	switch o.Kind {
	case t30.Say:
		in.Err = c.line.Say(wire, o.Signal)
	case t30.Hear:
		in.Heard, in.Err = c.line.Hear(wire, o.Listen)
	default:
		return c.desk.do(ctx, o)
	}
	// A signal broken off by ctx is no fault of the line.
	if ctx.Err() != nil && !errors.Is(in.Err, line.ErrHungUp) {
		in.Err = nil
	}
	return in
}

func (c *call) report(r t30.Report) Report {
	return Report{
		Status:     r.Status,
		Err:        r.Err,
		Remote:     r.Remote,
		Subaddress: r.Subaddress,
		SenderID:   r.SenderID,
		Pages:      r.Pages,
		Unexpected: r.Unexpected,
		Rate:       r.Rate,
		ECM:        r.ECM,
		Coding:     r.Coding,
		Duration:   c.line.Now(),
		Transcript: r.Transcript,
	}
}

// progress tells people what an order means to them.
func (c *call) progress(o t30.Order) {
	image := o.Kind == t30.Hear && o.Listen.Rate != line.V21
	switch {
	case o.Kind == t30.Say && o.Signal.Kind == line.Training, image && o.Listen.Want == line.Training:
		c.stage.set(Stage{Name: "training", Detail: detail(o.Session)})
	case o.Kind == t30.Code, image:
		c.stage.set(Stage{Name: "page", Page: o.Page, Detail: detail(o.Session)})
	}
}

// detail is as "V.17 14400, ECM, MMR".
func detail(s dis.Session) string {
	rate, _ := s.LineRate()
	if s[dis.ECM] != 0 {
		return rate.String() + ", ECM, " + s.Coding()
	}
	return rate.String() + ", " + s.Coding()
}

// stages tells of each stage once.
type stages struct {
	tell func(Stage)
	last Stage
}

func (s *stages) set(now Stage) {
	if s.tell != nil && now != s.last {
		s.tell(now)
	}
	s.last = now
}
