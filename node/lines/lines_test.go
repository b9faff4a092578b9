package lines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t4"
)

// fakeModem does what the test tells it to. It finds out when two goroutines
// use it at once, and when it is used after Close.
type fakeModem struct {
	rings   chan modem.Ring
	wedged  chan error // WaitRing fails with it
	send    func(ctx context.Context, out modem.Outgoing) modem.Report
	receive func(ctx context.Context, in modem.Incoming) modem.Report
	reset   func() error

	mu     sync.Mutex
	using  bool
	closed bool
	fault  string
}

func newFake() *fakeModem {
	return &fakeModem{rings: make(chan modem.Ring), wedged: make(chan error, 1)}
}

func (m *fakeModem) use() func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.using || m.closed {
		m.fault = fmt.Sprintf("used wrongly: using %v, closed %v", m.using, m.closed)
	}
	m.using = true
	return func() { m.mu.Lock(); m.using = false; m.mu.Unlock() }
}

func (m *fakeModem) WaitRing(ctx context.Context) (modem.Ring, error) {
	defer m.use()()
	select {
	case r := <-m.rings:
		return r, nil
	case err := <-m.wedged:
		return modem.Ring{}, err
	case <-ctx.Done():
		return modem.Ring{}, ctx.Err()
	}
}

func (m *fakeModem) Send(ctx context.Context, out modem.Outgoing) modem.Report {
	defer m.use()()
	return m.send(ctx, out)
}

func (m *fakeModem) Receive(ctx context.Context, in modem.Incoming) modem.Report {
	defer m.use()()
	return m.receive(ctx, in)
}

func (m *fakeModem) Reset(context.Context) error {
	defer m.use()()
	return m.reset()
}

func (m *fakeModem) Close() error {
	defer m.use()()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// delivered collects what Deliver got.
type delivered struct {
	faxes chan fax.ReceivedFax
	pages chan []modem.Page
	fail  func() error // nil: succeed
}

func (d *delivered) deliver(_ context.Context, f fax.ReceivedFax, pages modem.Pages) error {
	if d.fail != nil {
		if err := d.fail(); err != nil {
			return err
		}
	}
	var got []modem.Page
	for i := range pages.Len() {
		p, err := pages.Page(i)
		if err != nil {
			return err
		}
		got = append(got, p)
	}
	d.faxes <- f
	d.pages <- got
	return nil
}

func newDelivered() *delivered {
	return &delivered{faxes: make(chan fax.ReceivedFax, 10), pages: make(chan []modem.Page, 10)}
}

type states struct {
	mu  sync.Mutex
	all []string
}

func (s *states) publish(l fax.LineState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, strings.TrimSpace(l.State+" "+l.Job))
}

func (s *states) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

func config(dir string, m modem.Modem, d *delivered, s *states) Config {
	n := 0
	return Config{
		Node: "west", Station: "+1 WEST", Dir: dir,
		Lines:   []Line{{Name: "w1", Number: "300", Kind: "fake", Modem: m}},
		NewID:   func() string { n++; return fmt.Sprintf("id%d", n) },
		Publish: s.publish, Deliver: d.deliver, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func page(seed byte) *t4.Bitmap {
	b := t4.NewBitmap(1728, 30)
	for i := range b.Pix {
		b.Pix[i] = byte(i) * seed
	}
	return b
}

// takes stores pages as a T.30 receiver does and ends with st.
func takes(st status.Code, pages ...*t4.Bitmap) func(context.Context, modem.Incoming) modem.Report {
	return func(ctx context.Context, in modem.Incoming) modem.Report {
		for i, b := range pages {
			if err := in.Store(ctx, modem.ReceivedPage{Index: i, Image: b, Resolution: t4.Fine, BadRows: i}); err != nil {
				return modem.Report{Status: status.NotStored, Err: err}
			}
		}
		return modem.Report{Status: st, Remote: "+49 30", Pages: len(pages), ECM: true, Coding: "MMR", Transcript: "> DIS\n"}
	}
}

func TestReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, d, s := newFake(), newDelivered(), &states{}
		m.receive = takes(status.OK, page(1), page(3))
		l, err := Open(config(t.TempDir(), m, d, s))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		m.rings <- modem.Ring{Caller: "555", Name: "Court", Pattern: "B"}
		f, pages := <-d.faxes, <-d.pages
		if f.ID != "id1" || f.Node != "west" || f.Line != "w1" || f.Called != "300" || f.Caller != "555" || f.Name != "Court" || f.Ring != "B" ||
			f.Remote != "+49 30" || f.Status != 0 || f.Reason != "" || f.BadRows != 1 || f.Details != "V.21 300, ECM, MMR" {
			t.Errorf("fax = %+v", f)
		}
		if len(pages) != 2 || !slices.Equal(pages[0].Image.Pix, page(1).Pix) || !slices.Equal(pages[1].Image.Pix, page(3).Pix) || pages[0].Resolution != t4.Fine {
			t.Error("pages differ from what was received")
		}
		synctest.Wait()
		if left, _ := os.ReadDir(filepath.Join(l.cfg.Dir, "spool")); len(left) != 0 {
			t.Errorf("the spool still has %v", left)
		}
		if text, ok := l.Transcript("id1"); !ok || text != "> DIS\n" {
			t.Errorf("transcript = %q, %v", text, ok)
		}
		if want := []string{"free", "ringing", "receiving id1", "free"}; !slices.Equal(s.seen(), want) {
			t.Errorf("states %v, want %v", s.seen(), want)
		}
	})
}

// TestCrash: a process that dies after a page was confirmed delivers the page
// at the next start, and says that nobody saw the end.
func TestCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s, err := openSpool(filepath.Join(dir, "spool"))
		if err != nil {
			t.Fatal(err)
		}
		in := s.intake(fax.ReceivedFax{ID: "aa", Node: "west", Line: "w1", Called: "300", At: 77})
		if err := in.store(t.Context(), modem.ReceivedPage{Image: page(5), Resolution: t4.Standard}); err != nil {
			t.Fatal(err)
		}
		// Begun, but killed before the first page; delivered, but killed
		// before the files were gone; damaged by the disk.
		if err := s.intake(fax.ReceivedFax{ID: "bb"}).open(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(dir, "spool", pastName+"cc"), 0o700); err != nil {
			t.Fatal(err)
		}
		bad := s.intake(fax.ReceivedFax{ID: "dd"})
		if err := bad.store(t.Context(), modem.ReceivedPage{Image: page(5), Resolution: t4.Standard}); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(bad.dir, pageName(0))
		data, _ := os.ReadFile(name)
		data[len(data)/2] ^= 1
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}

		d := newDelivered()
		l, err := Open(config(dir, newFake(), d, &states{}))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		f, pages := <-d.faxes, <-d.pages
		if f.ID != "aa" || f.Status != int(status.Unseen) || f.Reason == "" || f.At != 77 {
			t.Errorf("fax = %+v", f)
		}
		if len(pages) != 1 || !slices.Equal(pages[0].Image.Pix, page(5).Pix) {
			t.Error("the page differs from what was stored")
		}
		synctest.Wait()
		if len(d.faxes) != 0 {
			t.Errorf("delivered as well: %+v", <-d.faxes)
		}
		left, _ := os.ReadDir(filepath.Join(dir, "spool"))
		if len(left) != 1 || left[0].Name() != asideName+"dd" {
			t.Errorf("the spool has %v, want only the damaged fax", left)
		}
	})
}

// TestDeliverAgain: while the cluster has no majority, the fax waits.
func TestDeliverAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, d := newFake(), newDelivered()
		tries := 0
		var l *Lines
		d.fail = func() error {
			if held := l.Undelivered(); held != 1 {
				t.Errorf("%d are undelivered, want 1", held)
			}
			if tries++; tries < 12 {
				return errors.New("no leader")
			}
			return nil
		}
		m.receive = takes(status.SenderLeft, page(1))
		var err error
		l, err = Open(config(t.TempDir(), m, d, &states{}))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		begun := time.Now()
		m.rings <- modem.Ring{}
		f := <-d.faxes
		if f.Status != int(status.SenderLeft) || f.Reason != status.SenderLeft.Sentence() {
			t.Errorf("fax = %+v", f)
		}
		if took := time.Since(begun); took < time.Minute || took > 12*deliverMost {
			t.Errorf("12 tries took %v", took)
		}
		synctest.Wait()
		if held := l.Undelivered(); held != 0 {
			t.Errorf("%d are undelivered in the end", held)
		}
	})
}

func TestDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, d, s := newFake(), newDelivered(), &states{}
		l, err := Open(config(t.TempDir(), m, d, s))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		m.send = func(ctx context.Context, out modem.Outgoing) modem.Report {
			if out.Number != "12" || out.Station != "+1 WEST" {
				t.Errorf("out = %+v", out)
			}
			return modem.Report{Status: status.Busy, Transcript: "busy"}
		}
		if rep := l.Dial(t.Context(), "w1", "job1", modem.Outgoing{Number: "12"}); rep.Status != status.Busy {
			t.Errorf("report = %+v", rep)
		}
		if rep := l.Dial(t.Context(), "w9", "job1", modem.Outgoing{}); rep.Status != status.ModemFailure {
			t.Errorf("an unknown line: %+v", rep)
		}
		// A second call to a line in use is refused, not queued; cancelling
		// the first ends it.
		hung := func(ctx context.Context, _ modem.Outgoing) modem.Report {
			<-ctx.Done()
			return modem.Report{Status: status.Aborted}
		}
		m.send = hung
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan modem.Report, 1)
		go func() { first <- l.Dial(ctx, "w1", "job2", modem.Outgoing{}) }()
		synctest.Wait()
		if rep := l.Dial(t.Context(), "w1", "job3", modem.Outgoing{}); rep.Status != status.Glare {
			t.Errorf("a line in use: %+v", rep)
		}
		cancel()
		if rep := <-first; rep.Status != status.Aborted {
			t.Errorf("a cancelled call: %+v", rep)
		}
		synctest.Wait()
		if want := []string{"free", "sending job1", "free", "sending job2", "free"}; !slices.Equal(s.seen(), want) {
			t.Errorf("states %v, want %v", s.seen(), want)
		}
		// Close ends a call, too.
		go func() { first <- l.Dial(context.Background(), "w1", "job4", modem.Outgoing{}) }()
		synctest.Wait()
		l.Close()
		l.Close()
		if rep := <-first; rep.Status != status.Aborted {
			t.Errorf("a closed line: %+v", rep)
		}
		if m.fault != "" || !m.closed {
			t.Errorf("closed %v, fault %q", m.closed, m.fault)
		}
	})
}

// TestNotStored: a page that cannot be put on disk is refused, so that the
// engine does not confirm it; the line lives on.
func TestNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		m, d := newFake(), newDelivered()
		var got modem.Report
		done := make(chan bool)
		m.receive = func(ctx context.Context, in modem.Incoming) modem.Report {
			// A file where the fax's directory should be.
			if err := os.WriteFile(filepath.Join(dir, "spool", "id1"), nil, 0o600); err != nil {
				t.Error(err)
			}
			got = takes(status.OK, page(1))(ctx, in)
			close(done)
			return got
		}
		l, err := Open(config(dir, m, d, &states{}))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		m.rings <- modem.Ring{}
		<-done
		synctest.Wait()
		if got.Status != status.NotStored || len(d.faxes) != 0 {
			t.Errorf("report %+v, %d faxes", got, len(d.faxes))
		}
		if l.States()[0].State != Free {
			t.Errorf("the line is %s", l.States()[0].State)
		}
	})
}

func TestTranscriptsAreBounded(t *testing.T) {
	dir := t.TempDir()
	past, err := openTranscripts(dir)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	for i := range MaxTranscripts + 10 {
		past.write(fmt.Sprintf("c%d", i), "x", log)
	}
	past.write("../../escape", "x", log)
	entries, _ := os.ReadDir(dir)
	if len(entries) != MaxTranscripts {
		t.Errorf("%d transcripts, want %d", len(entries), MaxTranscripts)
	}
	if _, ok := past.read("c9"); ok {
		t.Error("the oldest is still there")
	}
	if _, ok := past.read("c10"); !ok {
		t.Error("the newest are not all there")
	}
}

func FuzzDecodePage(f *testing.F) {
	good, err := encodePage(modem.ReceivedPage{Image: page(1), Resolution: t4.Fine})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:40])
	f.Add([]byte(pageMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decodePage(data)
		if err != nil {
			return
		}
		again, err := encodePage(p)
		if err != nil || !slices.Equal(again, data) {
			t.Errorf("decoded page codes differently: %v", err)
		}
	})
}
