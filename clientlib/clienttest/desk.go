package clienttest

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/activity"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// Desk is a whole cluster's state in memory, shared by its servers.
type Desk struct {
	cluster string
	first   string          // server, which signs exports
	signer  tls.Certificate // its

	mu       sync.Mutex
	nodes    []fax.Node
	accounts map[string]*account // by folded name
	sessions map[string]*session // by id
	uploads  map[string][]byte
	pages    map[string][]byte // TIFF-F by fax id
	jobs     []fax.Job
	received []fax.ReceivedFax
	rules    []fax.DialRule
	routes   []fax.Route
	activity []fax.Activity
	faults   map[string]error // answered once, by command
	count    int              // of everything that needs an id
	changed  chan struct{}    // closed, and made anew, by Ack
}

type account struct {
	fax.Account
	password string
	events   []fax.Event
	kept     uint64 // events up to this one are not kept any more
	acked    map[uint64]int
	seen     uint64 // newest event that a request of the account has named
}

type session struct {
	fax.Session
	remote   netip.AddrPort
	callback *fax.Callback
	push     func([]fax.Event) error
	asked    bool // for events, since it was opened
}

// NewDesk makes a desk without accounts.
func NewDesk(cluster string) *Desk {
	return &Desk{
		cluster:  cluster,
		accounts: map[string]*account{},
		sessions: map[string]*session{},
		uploads:  map[string][]byte{},
		pages:    map[string][]byte{},
		faults:   map[string]error{},
		changed:  make(chan struct{}),
	}
}

// AddPerson makes an account that may log in.
func (d *Desk) AddPerson(name, password string, rights fax.Rights) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.accounts[fax.Fold(name)] = &account{
		Account:  fax.Account{Name: name, Rights: rights, Created: fax.At(time.Now())},
		password: password, acked: map[uint64]int{},
	}
}

// Fail makes the next request of that command fail.
func (d *Desk) Fail(command string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults[command] = err
}

// Record files an event without telling anybody; it returns it numbered.
func (d *Desk) Record(e fax.Event) fax.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.recordLocked(e)
}

func (d *Desk) recordLocked(e fax.Event) fax.Event {
	a := d.accounts[fax.Fold(e.Account)]
	e.Seq = a.kept + uint64(len(a.events)) + 1
	if e.At == 0 {
		e.At = fax.At(time.Now())
	}
	a.events = append(a.events, e)
	return e
}

// Publish files an event and tells it over the connections of its account. It
// returns it numbered.
func (d *Desk) Publish(e fax.Event) fax.Event {
	e = d.Record(e)
	d.Push(e)
	return e
}

// Push tells an event over the connections of its account, without filing it.
func (d *Desk) Push(e fax.Event) {
	d.mu.Lock()
	var pushes []func([]fax.Event) error
	for _, s := range d.sessions {
		if s.push != nil && fax.Fold(s.Account) == fax.Fold(e.Account) {
			pushes = append(pushes, s.push)
		}
	}
	d.mu.Unlock()
	for _, push := range pushes {
		_ = push([]fax.Event{e}) // a connection that has just ended
	}
}

// Forget drops an account's oldest events up to a number.
func (d *Desk) Forget(name string, upTo uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.accounts[fax.Fold(name)]
	a.events = slices.Clone(a.events[upTo-a.kept:])
	a.kept = upTo
}

// WaitAcked waits until an event was acknowledged over a client's connection.
func (d *Desk) WaitAcked(ctx context.Context, name string, seq uint64) error {
	for {
		d.mu.Lock()
		n, changed := d.accounts[fax.Fold(name)].acked[seq], d.changed
		d.mu.Unlock()
		if n > 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("event %d is not acknowledged: %w", seq, ctx.Err())
		}
	}
}

// Callback tells where a session wants to be notified; ok is false if nowhere.
func (d *Desk) Callback(sessionID string) (addr netip.AddrPort, cb fax.Callback, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.sessions[sessionID]
	if s == nil || s.callback == nil {
		return netip.AddrPort{}, fax.Callback{}, false
	}
	return netip.AddrPortFrom(s.remote.Addr(), s.callback.Port), *s.callback, true
}

// Asked reports whether a session has asked for events since it was opened, as
// every client does once: what is recorded before that, the client finds by
// itself.
func (d *Desk) Asked(sessionID string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.sessions[sessionID]
	return s != nil && s.asked
}

// Void ends all sessions of an account: their tokens open nothing any more.
func (d *Desk) Void(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, s := range d.sessions {
		if fax.Fold(s.Account) == fax.Fold(name) {
			delete(d.sessions, id)
		}
	}
}

// At is the desk as one node has it.
func (d *Desk) At(node string) *Counter { return &Counter{Desk: d, node: node} }

// Counter is the desk at one node.
type Counter struct {
	*Desk
	node string
}

// Login opens a session.
func (c *Counter) Login(_ context.Context, l fax.Login) (fax.Session, error) {
	d := c.Desk
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.faultLocked(wire.CmdLogin); err != nil {
		return fax.Session{}, err
	}
	s, err := d.openLocked(l)
	if err != nil {
		return fax.Session{}, err
	}
	a := d.accounts[fax.Fold(s.Account)]
	s.Rights, s.Home, s.Nodes = a.Rights, c.node, slices.Clone(d.nodes)
	s.Last = a.kept + uint64(len(a.events))
	s.remote, s.callback, s.asked = l.Remote, l.Callback, false
	d.noteLocked(s.Account, c.node, "login", s.ID, l.Client)
	return s.Session, nil
}

func (d *Desk) openLocked(l fax.Login) (*session, error) {
	if l.Token != "" {
		for _, s := range d.sessions {
			if s.Token == l.Token {
				return s, nil
			}
		}
		return nil, fax.Errorf(fax.BadLogin, "the session has ended: log in again")
	}
	a := d.accounts[fax.Fold(l.Account)]
	if a == nil || a.password != l.Password {
		return nil, fax.Errorf(fax.BadLogin, "the name or the password is wrong")
	}
	id := d.idLocked("session")
	s := &session{Session: fax.Session{
		ID: id, Account: a.Name, Token: "token-" + id, Secret: "secret-" + id,
		Cluster: d.cluster, Expires: fax.At(time.Now().Add(time.Hour)),
	}}
	d.sessions[id] = s
	return s, nil
}

// Attach keeps push for Publish.
func (d *Desk) Attach(s fax.Session, push func([]fax.Event) error) (detach func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	x := d.sessions[s.ID]
	if x == nil {
		return func() {}
	}
	x.push = push
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if x.Home == s.Home { // not taken up at another node meanwhile
			x.push = nil
		}
	}
}

// Logout ends the session.
func (d *Desk) Logout(_ context.Context, s fax.Session) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sessions, s.ID)
	return nil
}

// Await has nothing to wait for: all servers of the cluster share this desk.
func (d *Desk) Await(_ context.Context, s fax.Session, seen uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a := d.accounts[fax.Fold(s.Account)]; a != nil {
		a.seen = max(a.seen, seen)
	}
}

// Seen is the newest event that a request of the account has named.
func (d *Desk) Seen(name string) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a := d.accounts[fax.Fold(name)]; a != nil {
		return a.seen
	}
	return 0
}

// Ack counts acknowledgements.
func (d *Desk) Ack(_ context.Context, s fax.Session, seqs []uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, err := d.personLocked(s, wire.CmdAck)
	if err != nil {
		return err
	}
	for _, seq := range seqs {
		a.acked[seq]++
	}
	close(d.changed)
	d.changed = make(chan struct{})
	return nil
}

// Events lists what is kept after a number.
func (d *Desk) Events(_ context.Context, s fax.Session, after uint64, limit int) ([]fax.Event, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, err := d.personLocked(s, wire.CmdEvents)
	if err != nil {
		return nil, err
	}
	d.sessions[s.ID].asked = true
	skip := min(max(after, a.kept)-a.kept, uint64(len(a.events)))
	rest := a.events[skip:]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

// personLocked is the account of a session, or why the command is refused.
func (d *Desk) personLocked(s fax.Session, command string) (*account, error) {
	if err := d.faultLocked(command); err != nil {
		return nil, err
	}
	a := d.accounts[fax.Fold(s.Account)]
	if d.sessions[s.ID] == nil || a == nil {
		return nil, fax.Errorf(fax.BadLogin, "the session has ended: log in again")
	}
	return a, nil
}

func (d *Desk) faultLocked(command string) error {
	err := d.faults[command]
	delete(d.faults, command)
	return err
}

func (d *Desk) idLocked(what string) string {
	d.count++
	return fmt.Sprintf("%s%d", what, d.count)
}

func (d *Desk) noteLocked(who, node, what, object, detail string) {
	a := fax.Activity{
		Seq: uint64(len(d.activity) + 1), At: fax.At(time.Now()), Who: who, Node: node, What: what, Object: object, Detail: detail,
	}
	var before [sha256.Size]byte
	if len(d.activity) > 0 {
		_, _ = hex.Decode(before[:], []byte(d.activity[len(d.activity)-1].Chain)) // our own
	}
	chain := activity.Chain(before, a)
	a.Chain = hex.EncodeToString(chain[:])
	d.activity = append(d.activity, a)
}
