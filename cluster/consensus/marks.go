package consensus

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/faxmesh/faxmesh/cluster/durable"
	"github.com/hashicorp/raft"
)

const (
	markFile    = "mark.json"
	maxMark     = 1 << 20     // octets of it
	receivedDir = "snapshots" // as raft names it
)

// mark stands for a snapshot whose octets nobody has asked for. The state is on
// disk as it is: a mark says how far it was, durably, at an index of the log.
type mark struct {
	raft.SnapshotMeta
	Applied uint64 `json:"applied"` // of the state then: the last command up to Index
	Chain   []byte `json:"chain"`   // and its hash
}

// marks is raft's store of snapshots. Its own are marks; the octets of one that
// a leader has sent are a file until the state has been replaced by it.
type marks struct {
	dir      string
	state    StateMachine
	log      raft.LogStore
	received *raft.FileSnapshotStore
}

func openMarks(dir string, state StateMachine, log raft.LogStore, l *logger) (*marks, error) {
	received, err := raft.NewFileSnapshotStoreWithLogger(dir, 1, l)
	if err != nil {
		return nil, err
	}
	m := &marks{dir: dir, state: state, log: log, received: received}
	return m, m.sweep()
}

// sweep removes what a crash has left of snapshots that were not received whole.
func (s *marks) sweep() error {
	found, err := os.ReadDir(filepath.Join(s.dir, receivedDir))
	for _, f := range found {
		if strings.HasSuffix(f.Name(), ".tmp") {
			err = errors.Join(err, os.RemoveAll(filepath.Join(s.dir, receivedDir, f.Name())))
		}
	}
	return err
}

// standing is the mark, nil if there is none yet.
func (s *marks) standing() (*mark, error) {
	f, err := os.Open(filepath.Join(s.dir, markFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the mark: %w", err)
	}
	defer f.Close()
	m := new(mark)
	if err := json.NewDecoder(io.LimitReader(f, maxMark)).Decode(m); err != nil || len(m.Chain) != len([32]byte{}) || m.Applied > m.Index {
		return nil, fmt.Errorf("the mark %s is damaged; remove the node's data and join again: %v", f.Name(), err)
	}
	return m, nil
}

// newest is the snapshot that counts, nil if there is none: the mark, or what
// was received after it.
func (s *marks) newest() (*mark, *raft.SnapshotMeta, error) {
	m, err := s.standing()
	if err != nil {
		return nil, nil, err
	}
	files, err := s.received.List()
	if err != nil {
		return nil, nil, fmt.Errorf("list the snapshots received: %w", err)
	}
	if len(files) > 0 && (m == nil || later(files[0], &m.SnapshotMeta)) {
		return nil, files[0], nil
	}
	return m, nil, nil
}

func later(a, b *raft.SnapshotMeta) bool {
	return a.Term > b.Term || a.Term == b.Term && a.Index > b.Index
}

// List gives the newest alone: behind an older one the log has a gap.
func (s *marks) List() ([]*raft.SnapshotMeta, error) {
	m, file, err := s.newest()
	switch {
	case err != nil:
		return nil, err
	case m != nil:
		return []*raft.SnapshotMeta{&m.SnapshotMeta}, nil
	case file != nil:
		return []*raft.SnapshotMeta{file}, nil
	}
	return nil, nil
}

// Create begins a snapshot: of this node's state, if it is given its mark, or
// one that is received, if it is given octets.
func (s *marks) Create(version raft.SnapshotVersion, index, term uint64, members raft.Configuration, at uint64, t raft.Transport) (raft.SnapshotSink, error) {
	meta := raft.SnapshotMeta{Version: version, ID: fmt.Sprintf("mark-%d-%d", term, index), Index: index, Term: term,
		Configuration: members, ConfigurationIndex: at}
	receive := func() (raft.SnapshotSink, error) { return s.received.Create(version, index, term, members, at, t) }
	return &sink{store: s, meta: meta, receive: receive}, nil
}

// put makes a mark the one that stands. The state is at least as far.
func (s *marks) put(m mark) error {
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode the mark: %w", err)
	}
	if err := durable.WriteFile(filepath.Join(s.dir, markFile), data, 0o600); err != nil {
		return fmt.Errorf("write the mark: %w", err)
	}
	files, err := s.received.List()
	for _, f := range files {
		if !later(f, &m.SnapshotMeta) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(s.dir, receivedDir, f.ID)))
		}
	}
	return err
}

// settle puts a mark in the place of a received snapshot by which the state has
// been replaced.
func (s *marks) settle(meta raft.SnapshotMeta) error {
	applied, chain, err := s.state.Sync()
	if err != nil {
		return err
	}
	old, err := s.standing()
	if err != nil || old != nil && !later(&meta, &old.SnapshotMeta) {
		return err
	}
	meta.ID = fmt.Sprintf("mark-%d-%d", meta.Term, meta.Index)
	return s.put(mark{SnapshotMeta: meta, Applied: min(applied, meta.Index), Chain: chain[:]})
}

// Open gives a received snapshot, or the state as it is now in place of a mark.
// Then the meta data are those of now.
func (s *marks) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	if !strings.HasPrefix(id, "mark-") {
		meta, r, err := s.received.Open(id)
		if err != nil {
			return nil, nil, err
		}
		return meta, receivedState{r, *meta}, nil
	}
	m, err := s.standing()
	if err != nil {
		return nil, nil, err
	}
	if m == nil {
		return nil, nil, fmt.Errorf("there is no snapshot %s", id)
	}
	return s.live(m)
}

// receivedState is the octets of a received snapshot.
type receivedState struct {
	io.ReadCloser
	meta raft.SnapshotMeta
}

// sink takes a snapshot.
type sink struct {
	store   *marks
	meta    raft.SnapshotMeta
	receive func() (raft.SnapshotSink, error)
	file    raft.SnapshotSink // once there are octets
	mark    *mark
	over    bool
}

func (s *sink) ID() string {
	if s.file != nil {
		return s.file.ID()
	}
	return s.meta.ID
}

func (s *sink) Write(octets []byte) (n int, err error) {
	if s.file == nil {
		if s.file, err = s.receive(); err != nil {
			return 0, fmt.Errorf("receive a snapshot: %w", err)
		}
	}
	return s.file.Write(octets)
}

// Close makes the snapshot the newest, durably.
func (s *sink) Close() error {
	switch {
	case s.file != nil:
		return s.file.Close()
	case s.over:
		return nil
	case s.mark == nil:
		return errors.New("an empty snapshot")
	}
	s.over = true
	return s.store.put(*s.mark)
}

func (s *sink) Cancel() error {
	s.over = true
	if s.file != nil {
		return s.file.Cancel()
	}
	return nil
}

// marker is the snapshot that raft takes: how far the state is on disk.
type marker struct {
	applied uint64
	chain   [32]byte
}

func (m marker) Persist(to raft.SnapshotSink) error {
	s, ok := to.(*sink)
	if !ok {
		return fmt.Errorf("a mark cannot be kept in a %T", to)
	}
	// A state that was fed may be ahead of the log, and be durable so.
	s.mark = &mark{SnapshotMeta: s.meta, Applied: min(m.applied, s.meta.Index), Chain: m.chain[:]}
	return nil
}

func (marker) Release() {}
