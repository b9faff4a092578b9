package desk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/blob"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/presence"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// world is a cluster of one: a real ledger, a real blob store.
type world struct {
	t      *testing.T
	ledger *ledger.Ledger
	blobs  *blob.Store

	mu       sync.Mutex
	index    uint64
	down     bool // no majority
	sessions map[string]presence.Session
	acked    []uint64
	push     func([]fax.Event) error // of the last connection
	kept     []ledger.Command        // by Keep, while there is no majority
	behind   []ledger.Command        // agreed on, but not applied here yet
}

func (w *world) Propose(_ context.Context, c ledger.Command) (ledger.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return ledger.Result{}, errors.New("no leader")
	}
	return w.proposeLocked(c)
}

func (w *world) proposeLocked(c ledger.Command) (ledger.Result, error) {
	data, err := ledger.Encode(c)
	if err != nil {
		return ledger.Result{}, err
	}
	w.index++
	r, err := w.ledger.ApplyBatch([]ledger.Entry{{Index: w.index, Data: data}})
	if err != nil {
		return ledger.Result{}, err
	}
	return r[0], nil
}

// Fresh applies what is behind.
func (w *world) Fresh(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return errors.New("no leader")
	}
	for _, c := range w.behind {
		if r, err := w.proposeLocked(c); err != nil || r.Err != nil {
			w.t.Error(err, r.Err)
		}
	}
	w.behind = nil
	return ctx.Err()
}

func (w *world) PutSession(s presence.Session) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sessions[s.ID] = s
	return nil
}

func (w *world) DropSession(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.sessions, id)
}

func (w *world) online(id string) (presence.Session, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, ok := w.sessions[id]
	return s, ok
}

func (w *world) NewToken(_ context.Context, by string, uses int, life time.Duration) (string, error) {
	return fmt.Sprint(by, uses, life), nil
}

func (w *world) Status() ([]fax.NodeStatus, error) { return []fax.NodeStatus{{Alive: true}}, nil }

func (w *world) Put(_ context.Context, r io.Reader) (fax.Document, error) { return w.blobs.Put(r) }

func (w *world) Open(_ context.Context, hash string) (io.ReadCloser, error) {
	return w.blobs.Open(hash)
}

func (w *world) Attach(_, _ string, _ uint64, push func([]fax.Event) error) func() {
	w.push = push
	return func() {}
}

func (w *world) Ack(_ string, seqs []uint64) { w.acked = append(w.acked, seqs...) }

func (w *world) must(c ledger.Command) {
	w.t.Helper()
	if r, err := w.Propose(context.Background(), c); err != nil || r.Err != nil {
		w.t.Fatal(err, r.Err)
	}
}

const password = "correct horse"

// passwordHash is made once: it is dear on purpose.
var passwordHash = sync.OnceValues(func() (string, error) { return HashPassword(password) })

// setUp opens a desk with the accounts admin, clerk, other and reader (who
// may see and assign what is received).
func setUp(t *testing.T) (*Desk, *world) {
	t.Helper()
	dir := t.TempDir()
	l, err := ledger.Open(filepath.Join(dir, "ledger"), quiet)
	if err != nil {
		t.Fatal(err)
	}
	b, err := blob.Open(blob.Config{Dir: filepath.Join(dir, "blobs"), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	w := &world{t: t, ledger: l, blobs: b, sessions: map[string]presence.Session{}}
	d := w.desk("north")
	hash, err := passwordHash()
	if err != nil {
		t.Fatal(err)
	}
	for name, rights := range map[string]fax.Rights{"admin": fax.Administrator, "Clerk": fax.Individual, "other": fax.Individual,
		"reader": fax.MaySend | fax.MaySeeReceived | fax.MayAssign} {
		w.must(ledger.AddAccount{Account: fax.Account{Name: name, Rights: rights}, Hash: hash, Node: "north"})
	}
	return d, w
}

// desk opens a desk of the cluster.
func (w *world) desk(node string) *Desk {
	w.t.Helper()
	d, err := Open(Config{Node: node, ClusterID: "c1", SessionKey: bytes.Repeat([]byte("k"), 32), Dir: w.t.TempDir(), Ledger: w.ledger,
		Cluster: w, Blobs: w, Notifier: w, Ready: ready, Convert: convert, Log: quiet})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { d.Close(); d.Close() })
	return d
}

// cut takes the majority away, or gives it back.
func (w *world) cut(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	for ; !down && len(w.kept) > 0; w.kept = w.kept[1:] {
		if _, err := w.proposeLocked(w.kept[0]); err != nil {
			w.t.Error(err)
		}
	}
}

func (w *world) Keep(c ledger.Command) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		w.kept = append(w.kept, c)
		return nil
	}
	_, err := w.proposeLocked(c)
	return err
}

func (w *world) Kept() ([]ledger.Command, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.kept), nil
}

// ready takes documents that begin with FAX as faxes of three pages.
func ready(_ context.Context, src io.ReaderAt, size int64) (int, bool, error) {
	data, err := io.ReadAll(io.NewSectionReader(src, 0, size))
	if err != nil || !bytes.HasPrefix(data, []byte("FAX")) {
		return 0, false, err
	}
	return 3, true, nil
}

// convert takes documents that begin with PAGE as one page.
func convert(_ context.Context, src io.ReaderAt, size int64, _ string, out io.Writer) (int, error) {
	data, err := io.ReadAll(io.NewSectionReader(src, 0, size))
	if err != nil {
		return 0, err
	}
	if !bytes.HasPrefix(data, []byte("PAGE")) {
		return 0, fax.Errorf(fax.Unsupported, "not a document")
	}
	_, err = out.Write(append([]byte("TIFF "), data...))
	return 1, err
}

var from = netip.MustParseAddrPort("192.0.2.1:4000")

func login(t *testing.T, d *Desk, name string) fax.Session {
	t.Helper()
	s, err := d.Login(t.Context(), fax.Login{Account: name, Password: password, Remote: from, Client: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func upload(t *testing.T, d *Desk, s fax.Session, data string) string {
	t.Helper()
	up, err := d.BeginUpload(t.Context(), s, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := up.Write([]byte(data)); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(data))
	if err := up.Commit(t.Context(), hex.EncodeToString(sum[:])); err != nil {
		t.Fatal(err)
	}
	return up.ID()
}

func submit(t *testing.T, d *Desk, s fax.Session, id string) fax.Job {
	t.Helper()
	j, err := d.Submit(t.Context(), s, fax.Order{ID: id, Upload: upload(t, d, s, "PAGE "+id), Number: "123", Title: "t"})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func wants(t *testing.T, what string, err error, kind fax.Kind) {
	t.Helper()
	if err == nil || fax.KindOf(err) != kind {
		t.Errorf("%s: %v, want an error of kind %v", what, err, kind)
	}
}

func activity(t *testing.T, w *world) (whats []string) {
	t.Helper()
	all, err := w.ledger.Activity(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		whats = append(whats, a.Who+" "+a.What)
	}
	return whats
}

func TestLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := setUp(t)
		s, err := d.Login(t.Context(), fax.Login{Account: "CLERK", Password: password, Remote: from,
			Callback: &fax.Callback{Port: 1500, Fingerprint: strings.Repeat("a", 64)}})
		if err != nil {
			t.Fatal(err)
		}
		if s.Account != "Clerk" || s.Rights != fax.Individual || s.Home != "north" || s.Cluster != "c1" || s.Secret != Secret(d.cfg.SessionKey, s.ID) {
			t.Errorf("session = %+v", s)
		}
		p, _ := w.online(s.ID)
		if p.Addr != netip.MustParseAddrPort("192.0.2.1:1500") || p.Account != "Clerk" {
			t.Errorf("presence = %+v: the address must be the one seen, the port the one offered", p)
		}
		again, err := d.Login(t.Context(), fax.Login{Token: s.Token, Remote: from})
		if err != nil || again.ID != s.ID || again.Secret != s.Secret {
			t.Errorf("by token: %+v, %v", again, err)
		}

		_, unknown := d.Login(t.Context(), fax.Login{Account: "nobody", Password: password, Remote: from})
		_, wrong := d.Login(t.Context(), fax.Login{Account: "clerk", Password: password + "x", Remote: from})
		wants(t, "unknown name", unknown, fax.BadLogin)
		wants(t, "wrong password", wrong, fax.BadLogin)
		if unknown.Error() != wrong.Error() {
			t.Errorf("%q and %q tell who exists", unknown, wrong)
		}
		for _, token := range []string{"x", s.Token + "x", s.Token[1:], "." + s.Token, strings.Repeat("a", 5000)} {
			_, err := d.Login(t.Context(), fax.Login{Token: token, Remote: from})
			wants(t, "token "+token[:min(9, len(token))], err, fax.BadLogin)
		}
		_, err = d.Login(t.Context(), fax.Login{Account: "a/b", Password: password, Remote: from})
		wants(t, "odd name", err, fax.Invalid)

		if err := d.Logout(t.Context(), s); err != nil {
			t.Error(err)
		}
		if _, online := w.online(s.ID); online {
			t.Error("still logged in")
		}
		for _, want := range []string{"Clerk login", "nobody login-refused", "clerk login-refused", "Clerk logout"} {
			if got := activity(t, w); !slices.Contains(got, want) {
				t.Errorf("%q is not on record: %q", want, got)
			}
		}
	})
}

// TestTokensEnd: a new password, or the end of the account, voids tokens and
// sessions.
func TestTokensEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := setUp(t)
		clerk, other, admin := login(t, d, "clerk"), login(t, d, "other"), login(t, d, "admin")
		wants(t, "wrong old password", d.SetPassword(t.Context(), clerk, "clerk", "wrong", "new password"), fax.NotAllowed)
		wants(t, "another's password", d.SetPassword(t.Context(), clerk, "other", password, "new password"), fax.NotAllowed)
		wants(t, "too short", d.SetPassword(t.Context(), clerk, "clerk", password, "ünïcöd3"), fax.Invalid)
		// Composed in another way, it is the same password.
		if err := d.SetPassword(t.Context(), clerk, "Clerk", password, "p\u00e4ssw\u00f6rter"); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Login(t.Context(), fax.Login{Account: "clerk", Password: "pa\u0308sswo\u0308rter", Remote: from}); err != nil {
			t.Error(err)
		}
		_, err := d.Jobs(t.Context(), clerk, fax.JobFilter{})
		wants(t, "after a new password", err, fax.BadLogin)
		_, err = d.Login(t.Context(), fax.Login{Token: clerk.Token, Remote: from})
		wants(t, "after a new password", err, fax.BadLogin)

		if err := d.DropAccount(t.Context(), admin, "other"); err != nil {
			t.Fatal(err)
		}
		_, err = d.Jobs(t.Context(), other, fax.JobFilter{})
		wants(t, "after the account is gone", err, fax.BadLogin)

		old := token{Account: "admin", Session: "s", Expires: now() - 1, Home: "north"}
		a, _, _ := w.ledger.Account("admin")
		old.Epoch = a.Epoch
		signed, err := old.sign(d.cfg.SessionKey)
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Login(t.Context(), fax.Login{Token: signed, Remote: from})
		wants(t, "expired", err, fax.BadLogin)
		forged := admin
		forged.Account = "reader"
		_, err = d.Inbox(t.Context(), forged, 0)
		wants(t, "a token of another account", err, fax.BadLogin)
	})
}

func TestWrongPasswords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := setUp(t)
		for range freeOfAccount + 1 {
			_, err := d.Login(t.Context(), fax.Login{Account: "clerk", Password: "wrong", Remote: from})
			wants(t, "wrong password", err, fax.BadLogin)
		}
		elsewhere := netip.MustParseAddrPort("198.51.100.1:1")
		_, err := d.Login(t.Context(), fax.Login{Account: "CLERK", Password: password, Remote: elsewhere})
		wants(t, "the right one, too soon", err, fax.Busy)
		login(t, d, "other")
	})
}

func TestWrongs(t *testing.T) {
	w, now := newWrongs(), time.Unix(10_000, 0)
	a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff")
	for i := range freeOfAddress {
		w.add(fmt.Sprint("n", i), a, now)
		if got := w.blocked("x", a, now); got != 0 {
			t.Fatalf("blocked for %v after %d names", got, i+1)
		}
	}
	w.add("one more", a, now)
	if got := w.blocked("x", b, now); got != firstDelay {
		t.Errorf("the same customer is blocked for %v, want %v", got, firstDelay)
	}
	for range 30 {
		w.add("y", a, now)
	}
	if got := w.blocked("y", netip.MustParseAddr("192.0.2.9"), now); got != mostOfAccount {
		t.Errorf("the account is blocked for %v, want %v", got, mostOfAccount)
	}
	if got := w.blocked("x", a, now); got != mostOfAddress {
		t.Errorf("the address is blocked for %v, want %v", got, mostOfAddress)
	}
	w.right("Y")
	if got := w.blocked("y", netip.MustParseAddr("192.0.2.9"), now); got != 0 {
		t.Errorf("blocked for %v after the right password", got)
	}
	for i := range 3 * MaxWrongs {
		w.addKey(fmt.Sprint("flood", i), now)
	}
	if len(w.who) > MaxWrongs {
		t.Errorf("%d are remembered, want at most %d", len(w.who), MaxWrongs)
	}
	if got := w.blocked("x", a, now); got != mostOfAddress {
		t.Errorf("a flood of names makes it forget an address: %v", got)
	}
}

// TestComposedNames: é and e with an accent are the same name.
func TestComposedNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := setUp(t)
		admin, ctx := login(t, d, "admin"), t.Context()
		const one, other = "ren\u00e9", "rene\u0301"
		if err := d.AddAccount(ctx, admin, other, password, fax.Individual); err != nil {
			t.Fatal(err)
		}
		wants(t, "the same name", d.AddAccount(ctx, admin, one, password, fax.Individual), fax.Exists)
		for _, name := range []string{one, other} {
			s, err := d.Login(ctx, fax.Login{Account: name, Password: password, Remote: from})
			if err != nil || s.Account != one {
				t.Errorf("login as %+q: session of %+q, %v", name, s.Account, err)
			}
		}
		for what, err := range map[string]error{
			"rights":   d.SetRights(ctx, admin, other, 0),
			"password": d.SetPassword(ctx, admin, other, "", "another one"),
			"drop":     d.DropAccount(ctx, admin, other),
		} {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// TestAdministration: each request, by one who may and one who may not.
func TestAdministration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := setUp(t)
		clerk, admin := login(t, d, "clerk"), login(t, d, "admin")
		w.must(ledger.PutNode{Node: fax.Node{Name: "south", PeerAddr: "h:1", ClientAddr: "h:2", Fingerprint: strings.Repeat("b", 64)}})
		ctx := t.Context()
		for what, ask := range map[string]func(s fax.Session) error{
			"add":    func(s fax.Session) error { return d.AddAccount(ctx, s, "new", "long enough", fax.Individual) },
			"rights": func(s fax.Session) error { return d.SetRights(ctx, s, "other", fax.Individual|fax.MayAssign) },
			"list":   func(s fax.Session) error { _, err := d.Accounts(ctx, s); return err },
			"rule":   func(s fax.Session) error { return d.PutDialRule(ctx, s, fax.DialRule{Prefix: "2", Node: "south"}) },
			"rules":  func(s fax.Session) error { _, err := d.DialRules(ctx, s); return err },
			"route":  func(s fax.Session) error { return d.PutRoute(ctx, s, fax.Route{Accounts: []string{"clerk"}}) },
			"routes": func(s fax.Session) error { _, err := d.Routes(ctx, s); return err },
			"token":  func(s fax.Session) error { _, err := d.NewToken(ctx, s, 1, 1); return err },
			"record": func(s fax.Session) error { _, _, err := d.Activity(ctx, s, fax.ActivityFilter{Limit: 10}); return err },
		} {
			wants(t, what, ask(clerk), fax.NotAllowed)
			wants(t, what, ask(fax.Session{}), fax.BadLogin)
			if err := ask(admin); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		wants(t, "there already", d.AddAccount(ctx, admin, "NEW", "long enough", 0), fax.Exists)
		wants(t, "short password", d.AddAccount(ctx, admin, "newer", "short", 0), fax.Invalid)
		_, err := d.NewToken(ctx, admin, 0, 1)
		wants(t, "no use", err, fax.Invalid)
		if _, err := d.Cluster(ctx, clerk); err != nil {
			t.Error(err)
		}
	})
}

// TestNewElsewhere: an account made at another node a moment ago can log in,
// and a fax told by another node can be opened.
func TestNewElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := setUp(t)
		hash, err := passwordHash()
		if err != nil {
			t.Fatal(err)
		}
		late := func(c ledger.Command) {
			time.Sleep(Staleness / 2)
			if _, err := w.Propose(context.Background(), c); err != nil {
				t.Error(err)
			}
		}
		w.behind = []ledger.Command{ledger.AddAccount{Account: fax.Account{Name: "new", Rights: fax.Individual}, Hash: hash, Node: "south"}}
		s := login(t, d, "new")
		tiff, err := w.blobs.Put(strings.NewReader("TIFF"))
		if err != nil {
			t.Fatal(err)
		}
		go late(ledger.Receive{Fax: fax.ReceivedFax{ID: "rrrr1", Node: "west", Fax: tiff, Assigned: []string{"new"}}})
		if _, r, err := d.OpenFax(t.Context(), s, "rrrr1"); err != nil {
			t.Error(err)
		} else {
			r.Close()
		}
	})
}

// TestGrace: a session lives on for a while without a connection, for ever
// with one.
func TestGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		absent := make(chan string, 10)
		a := newAttendance(func(id string) { absent <- id })
		gone := func(want ...string) {
			t.Helper()
			synctest.Wait()
			var got []string
			for len(absent) > 0 {
				got = append(got, <-absent)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("gone: %q, want %q", got, want)
			}
		}
		a.expect("s")
		a.come("s")
		a.come("s") // a second connection, before the first is known to be dead
		a.leave("s")
		time.Sleep(10 * SessionGrace)
		gone()
		a.leave("s")
		time.Sleep(SessionGrace - time.Second)
		a.come("s")
		time.Sleep(time.Hour)
		a.leave("s")
		time.Sleep(SessionGrace - time.Second)
		gone()
		time.Sleep(2 * time.Second)
		gone("s")
		a.expect("never comes")
		a.expect("logs out")
		a.come("logs out")
		a.forget("logs out")
		a.leave("logs out")
		time.Sleep(time.Hour)
		gone("never comes")
		a.expect("closed")
		a.close()
		time.Sleep(time.Hour)
		gone()
	})
}

func TestNewID(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000)
	last := ""
	for i := range 1000 {
		id := NewID(at.Add(time.Duration(i) * time.Millisecond))
		if len(id) != 16 || id <= last {
			t.Fatalf("%q after %q", id, last)
		}
		last = id
	}
}

func FuzzParsePHC(f *testing.F) {
	hash, err := passwordHash()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(hash)
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$$")
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := parsePHC(s); err == nil && (p.memory > 256<<10 || p.time > 16 || len(p.key) < 16) {
			t.Errorf("%q would cost too much or prove too little", s)
		}
	})
}
