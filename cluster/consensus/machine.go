package consensus

import (
	"fmt"
	"io"

	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/hashicorp/raft"
)

// Entry is a committed command.
type Entry struct {
	Index uint64
	Data  []byte
}

// StateMachine is what the commands are applied to. It keeps its own state on
// disk.
type StateMachine interface {
	// Check says whether a command can be applied at all; one that cannot does
	// not get into the log.
	Check(data []byte) error
	// ApplyBatch applies entries in order, one result each. Those at or below
	// Applied change nothing. An error stops this node for good.
	ApplyBatch([]Entry) ([][]byte, error)
	// Applied is the index of the last entry applied, durably.
	Applied() uint64
	// Sync makes sure that all that is applied is durable, and says how far that
	// is, and the hash over it.
	Sync() (applied uint64, chain [32]byte, err error)
	// Snapshot takes the state as it is now; commands go on meanwhile.
	Snapshot() (Snapshot, error)
	// Restore replaces the state by a snapshot, unless it is as far already.
	Restore(io.Reader) error
}

// Snapshot is a state on its way to another node.
type Snapshot interface {
	io.WriterTo
	Size() int64     // octets that WriteTo writes
	Applied() uint64 // the last entry that is in it
	Release()
}

// OverLedger is the state machine that a ledger is. Results are as
// ledger.DecodeResult reads them.
func OverLedger(l *ledger.Ledger) StateMachine { return overLedger{l} }

type overLedger struct{ *ledger.Ledger }

func (o overLedger) Check(data []byte) error {
	_, err := ledger.Decode(data)
	return err
}

func (o overLedger) Applied() uint64 {
	index, _ := o.Ledger.Applied()
	return index
}

func (o overLedger) Restore(r io.Reader) error { return o.Ledger.RestoreAhead(r) }

func (o overLedger) Snapshot() (Snapshot, error) { return o.Ledger.Snapshot() }

func (o overLedger) ApplyBatch(entries []Entry) ([][]byte, error) {
	commands := make([]ledger.Entry, len(entries))
	for i, e := range entries {
		commands[i] = ledger.Entry(e)
	}
	results, err := o.Ledger.ApplyBatch(commands)
	if err != nil {
		return nil, err
	}
	encoded := make([][]byte, len(results))
	for i, r := range results {
		if encoded[i], err = ledger.EncodeResult(r); err != nil {
			return nil, fmt.Errorf("encode the result of entry %d: %w", r.Index, err)
		}
	}
	return encoded, nil
}

// machine is a StateMachine as raft wants it. Raft has no way to hear that a
// state machine has failed, so it goes on here without applying until the node
// is closed: what is durable stays where it was.
type machine struct {
	state    StateMachine
	marks    *marks
	guard    *guard
	installs *installs
}

// ApplyBatch answers each command with its result, or with the error that has
// stopped this node.
func (m *machine) ApplyBatch(logs []*raft.Log) []any {
	answers := make([]any, len(logs))
	var entries []Entry
	var places []int
	for i, l := range logs {
		if l.Type == raft.LogCommand {
			entries = append(entries, Entry{l.Index, l.Data})
			places = append(places, i)
		}
	}
	if len(entries) == 0 {
		return answers
	}
	results, err := m.apply(entries)
	for k, i := range places {
		if err != nil {
			answers[i] = err
		} else {
			answers[i] = results[k]
		}
	}
	return answers
}

func (m *machine) apply(entries []Entry) ([][]byte, error) {
	var results [][]byte
	err := m.guard.do("apply commands", never, func() (err error) {
		results, err = m.state.ApplyBatch(entries)
		return err
	})
	if err != nil {
		return nil, err
	}
	m.installs.moved()
	return results, nil
}

func (m *machine) Apply(l *raft.Log) any { return m.ApplyBatch([]*raft.Log{l})[0] }

// Snapshot marks how far the state is on disk.
func (m *machine) Snapshot() (raft.FSMSnapshot, error) {
	var at marker
	err := m.guard.do("flush the state", never, func() (err error) {
		at.applied, at.chain, err = m.state.Sync()
		return err
	})
	if err != nil {
		return nil, err
	}
	return at, nil
}

func (m *machine) Restore(r io.ReadCloser) error {
	source := r
	for {
		outer, wrapped := source.(raft.ReadCloserWrapper)
		if !wrapped {
			break
		}
		source = outer.WrappedReadCloser()
	}
	if _, own := source.(*liveState); own {
		return nil // it is this state that would replace itself
	}
	before := m.state.Applied()
	err := m.state.Restore(r)
	if file, ok := source.(receivedState); ok && err == nil {
		err = m.marks.settle(file.meta)
	}
	if err != nil {
		m.guard.fence.fail(err)
		return err
	}
	m.installs.installed(before, m.state.Applied())
	return nil
}
