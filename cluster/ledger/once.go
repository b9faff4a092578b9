package ledger

import (
	"errors"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"go.etcd.io/bbolt"
)

// Limits of what is remembered of the nodes' commands.
const (
	MaxOpen      = 4096   // sequences from a run's lowest open one to its newest
	MaxProposers = 10_000 // nodes; a further one pushes the one out that was heard first
	OnceOverhead = 256    // octets of a Once beside its command
)

// Void says why a Once was not judged: its command changes nothing, then or
// ever.
type Void uint8

// The reasons.
const (
	VoidNot        Void = iota // it was judged, now or before
	VoidPassed                 // its sequence is below the lowest that is open
	VoidEarlierRun             // the node has been started again since; Result.Run is its present run
)

var (
	errPassed     = fax.Errorf(fax.Conflict, "the change comes too late: its node had given it up; look whether it is still wanted")
	errEarlierRun = fax.Errorf(fax.Conflict, "the change is of a run of its node before the present one")
	errNested     = errors.New("a numbered command holds another one")
)

// proposer is what is remembered of a node's commands, beside their results.
type proposer struct {
	Run   uint64 `msgpack:"r"`
	Low   uint64 `msgpack:"l"` // sequences below it are settled
	Index uint64 `msgpack:"i"` // of its last command
}

// opened reads the command within, so that a number of a newer program stops
// the node whatever it is wrapped in.
func (c Once) opened() (Command, error) {
	if n, ok := numberOf(c.Command); ok && n == c.number() {
		return nil, errNested
	}
	var err error
	if c.within, err = Decode(c.Command); errors.Is(err, ErrUnknownCommand) {
		return nil, err
	}
	c.damage = err
	return c, nil
}

// apply refuses: a Once stands in the log by itself, where judge meets it, and
// not within what a node has taken alone.
func (c Once) apply(*draft) (*fax.Job, error) {
	return nil, fax.Errorf(fax.Invalid, "a numbered command is no part of another one")
}

// judge has the command within judged, if that has not been done, and remembers
// the result until its node has it.
func (c Once) judge(tx *bbolt.Tx, index uint64) (Result, error) {
	d := newDraft(state{base: tx}, index)
	void := Result{Index: index}
	if err := c.check(); err != nil {
		return void, refusal(&void, err)
	}
	p := load[proposer](d, inProposers, c.Node)
	switch {
	case d.fault != nil:
		return Result{}, d.fault
	case p != nil && c.Run < p.Run:
		void.Void, void.Run = VoidEarlierRun, p.Run
		return void, refusal(&void, errEarlierRun)
	case p != nil && c.Run == p.Run && c.Seq < p.Low:
		void.Void = VoidPassed
		return void, refusal(&void, errPassed)
	case p != nil && c.Run == p.Run:
		if r := load[Result](d, inOnce, c.key(c.Seq)); r != nil || d.fault != nil {
			return orZero(r), d.fault
		}
	}
	r, err := judge(d, c.within)
	switch {
	case d.fault != nil || err != nil:
		return r, errors.Join(d.fault, err)
	case r.Err != nil:
		d = newDraft(state{base: tx}, index) // what the refused one has written is dropped
	}
	c.remember(d, p, r)
	if d.fault != nil {
		return r, d.fault
	}
	return r, d.commit()
}

func orZero(r *Result) Result {
	if r == nil {
		return Result{}
	}
	return *r
}

// check says what is wrong with the envelope or its content, both of which are
// so for good.
func (c Once) check() error {
	switch err := fax.CheckName("node", c.Node); {
	case err != nil:
		return err
	case c.Run == 0 || c.Open == 0 || c.Seq < c.Open || c.Seq-c.Open >= MaxOpen:
		return fax.Errorf(fax.Invalid, "command %d of run %d is not one of %d that follow the open one %d", c.Seq, c.Run, MaxOpen, c.Open)
	case c.damage != nil:
		return fax.Errorf(fax.Invalid, "the command cannot be read: %v", c.damage)
	}
	return nil
}

// remember stores a result, and drops those that no one will ask for.
func (c Once) remember(d *draft, p *proposer, r Result) {
	next := proposer{Run: c.Run, Low: c.Open, Index: d.index}
	switch {
	case p == nil:
		d.makeRoom()
	case p.Run != c.Run:
		d.settle(c.Node, all64)
	default:
		next.Low = max(p.Low, c.Open)
		if c.Seq >= MaxOpen {
			next.Low = max(next.Low, c.Seq-MaxOpen+1)
		}
		if next.Low > p.Low {
			d.settle(c.Node, next.Low)
		}
	}
	d.store(inProposers, c.Node, next)
	d.store(inOnce, c.key(c.Seq), r)
}

// all64 is above every sequence.
const all64 = 1<<64 - 1

// settle drops a node's results below a sequence.
func (d *draft) settle(node string, below uint64) {
	prefix := node + "\x00"
	c := d.state.cursor(inOnce)
	for k, _ := c.Seek([]byte(prefix)); hasPrefix(k, prefix) && string(k) < prefix+number64(below); k, _ = c.Next() {
		d.delete(inOnce, string(k))
	}
}

// makeRoom pushes a node out if there are as many as may be.
func (d *draft) makeRoom() {
	if n := d.number(inMeta, keyProposers); n < MaxProposers {
		d.put(inMeta, keyProposers, []byte(number64(n+1)))
		return
	}
	var oldest string
	first := uint64(all64)
	c := d.state.cursor(inProposers)
	for k, v := c.Seek(nil); k != nil; k, v = c.Next() {
		var p proposer
		if err := unmarshal(v, &p); err != nil {
			d.fail(inProposers, string(k), err)
			return
		}
		if p.Index < first {
			oldest, first = string(k), p.Index
		}
	}
	d.settle(oldest, all64)
	d.delete(inProposers, oldest)
}

func (c Once) key(seq uint64) string { return c.Node + "\x00" + number64(seq) }

// RunOf is the run of a node whose commands the ledger takes, 0 if it has taken
// none of the node.
func (l *Ledger) RunOf(node string) (run uint64, err error) {
	err = l.agreed(func(tx *bbolt.Tx) error {
		d := newDraft(state{base: tx}, 0)
		if p := load[proposer](d, inProposers, node); p != nil {
			run = p.Run
		}
		return d.fault
	})
	return run, err
}

// ProposerOf is the node that has numbered an encoded command; not ok for any
// other command.
func ProposerOf(data []byte) (node string, ok bool) {
	if n, known := numberOf(data); !known || n != (Once{}).number() || len(data) > mostOf(n) {
		return "", false
	}
	var c Once
	if err := unmarshal(data[2:], &c); err != nil {
		return "", false
	}
	return c.Node, true
}
