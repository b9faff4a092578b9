package consensus

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/faxmesh/faxmesh/cluster/durable"
	"github.com/hashicorp/raft"
)

// A node that takes no part in the agreement is fed: it is given what others
// have agreed on, entry by entry or as a snapshot. Both ways, by raft and by
// the feed, bring the same entries in the same order, and a state machine takes
// each once: so a node may go from one to the other at any time.

// fedFile, when it is there, says that the state may be ahead of the log.
const fedFile = "fed"

// ErrNotLogged is returned for entries that this node's log does not have, or
// no longer.
var ErrNotLogged = errors.New("the log does not go back so far")

// Entries returns the commands after an index that have been agreed on and
// applied here, the first of them first: at most so many, and of so many octets
// if there is more than one.
func (n *Node) Entries(after uint64, most, octets int) (entries []Entry, err error) {
	r := n.raft()
	end := min(r.CommitIndex(), n.machine.state.Applied())
	if after >= end {
		return nil, nil
	}
	first, err := r.log.FirstIndex()
	if err != nil {
		return nil, fmt.Errorf("read the first index: %w", err)
	}
	if first == 0 || first > after+1 {
		return nil, ErrNotLogged
	}
	for index := after + 1; index <= end && len(entries) < most; index++ {
		var entry raft.Log
		if err := r.log.GetLog(index, &entry); notFound(err) {
			return nil, ErrNotLogged
		} else if err != nil {
			return nil, fmt.Errorf("read entry %d: %w", index, err)
		}
		if entry.Type != raft.LogCommand {
			continue
		}
		if octets -= len(entry.Data); octets < 0 && len(entries) > 0 {
			break
		}
		entries = append(entries, Entry{entry.Index, entry.Data})
	}
	return entries, nil
}

// Feed applies commands that others have agreed on, in their order. None may be
// missing between them and what is applied already.
func (n *Node) Feed(entries []Entry) error {
	if err := n.markFed(); err != nil {
		return err
	}
	_, err := n.machine.apply(entries)
	return err
}

// FeedSnapshot replaces the state by one that others have agreed on, if that is
// ahead.
func (n *Node) FeedSnapshot(r io.Reader) error {
	if err := n.markFed(); err != nil {
		return err
	}
	return n.machine.state.Restore(r) // an error leaves the state as it was
}

func (n *Node) markFed() error {
	if fed, err := n.wasFed(); fed || err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(n.cfg.Dir, fedFile), []byte("this node's state may be ahead of its log\n"), 0o600); err != nil {
		return fmt.Errorf("note that this node is fed: %w", err)
	}
	return nil
}

func (n *Node) wasFed() (bool, error) {
	_, err := os.Stat(filepath.Join(n.cfg.Dir, fedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
