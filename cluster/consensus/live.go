package consensus

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/raft"
)

// stallMost is how long a follower may take no octets of the state that it is
// sent: meanwhile the state's file can only grow.
const stallMost = 30 * time.Second

var errStalled = errors.New("the state is not sent on: nobody has taken any of it for too long")

// live gives the state as it is now to whoever needs it in place of a mark.
func (s *marks) live(m *mark) (*raft.SnapshotMeta, io.ReadCloser, error) {
	snapshot, err := s.state.Snapshot()
	if err != nil {
		return nil, nil, err
	}
	meta, err := s.placed(m.SnapshotMeta, snapshot.Applied())
	if err != nil {
		snapshot.Release()
		return nil, nil, fmt.Errorf("find the state's place in the log: %w", err)
	}
	meta.Size = snapshot.Size()
	return meta, newLiveState(snapshot, stallMost), nil
}

// placed is the meta data of a state that is at index applied: those of the
// mark with what the log says happened since.
func (s *marks) placed(meta raft.SnapshotMeta, applied uint64) (*raft.SnapshotMeta, error) {
	for index := meta.Index + 1; index <= applied; index++ {
		var entry raft.Log
		if err := s.log.GetLog(index, &entry); err != nil {
			return nil, fmt.Errorf("read entry %d: %w", index, err)
		}
		meta.Index, meta.Term = entry.Index, entry.Term
		if entry.Type == raft.LogConfiguration {
			meta.Configuration, meta.ConfigurationIndex = raft.DecodeConfiguration(entry.Data), entry.Index
		}
	}
	return &meta, nil
}

// liveState is a state that is read while it is written from a transaction of
// its own. Whoever stops reading loses it.
type liveState struct {
	*io.PipeReader
	stall *time.Timer
	most  time.Duration
	done  chan struct{} // closed when the state is released
}

func newLiveState(snapshot Snapshot, most time.Duration) *liveState {
	r, w := io.Pipe()
	l := &liveState{PipeReader: r, most: most, done: make(chan struct{})}
	l.stall = time.AfterFunc(most, func() { _ = r.CloseWithError(errStalled) }) // never an error
	go func() {
		defer close(l.done)
		defer snapshot.Release()
		_, err := snapshot.WriteTo(w)
		_ = w.CloseWithError(err) // never an error
	}()
	return l
}

func (l *liveState) Read(p []byte) (int, error) {
	l.stall.Stop()
	defer l.stall.Reset(l.most)
	return l.PipeReader.Read(p)
}

// Close returns when the state is released.
func (l *liveState) Close() error {
	l.stall.Stop()
	err := l.PipeReader.Close()
	<-l.done
	return err
}
