package cluster

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/cluster/peer"
)

// fed is what a node that follows by the feed has been told.
type fed struct {
	mu     sync.Mutex
	notice feedNotice
	at     time.Time
}

func (f *fed) heard(n *feedNotice) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n != nil {
		f.notice = *n
	}
	f.at = time.Now()
}

// learn takes in who is in Raft, when nobody feeds this node yet.
func (f *fed) learn(parts map[string]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.at) >= feedSilence {
		f.notice.Parts = parts
	}
}

// now is what was told, if that was just now.
func (f *fed) now() (feedNotice, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.notice, time.Since(f.at) < feedSilence
}

// sources are the nodes in Raft as they were told last.
func (f *fed) sources() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for name := range f.notice.Parts {
		names = append(names, name)
	}
	return names
}

// followFeed keeps this node's ledger up with the others' while no leader of
// Raft does.
func (c *Cluster) followFeed() {
	led := time.Now()
	for pause(c.life.ctx, feedAgain) == nil {
		if c.raft.Leader() != "" {
			led = time.Now()
		}
		if time.Since(led) < feedAfter {
			continue
		}
		for _, node := range c.feedSources() {
			if err := c.follow(node); c.life.ctx.Err() == nil && c.raft.Leader() == "" {
				c.opt.Logger.Debug("a node feeds this one no longer", "peer", node, "err", err)
			}
		}
	}
}

// feedSources are the nodes in Raft that are alive, in an order that is another
// for each follower, so that they share the work; the leader has enough to do
// and comes last.
func (c *Cluster) feedSources() []string {
	told, _ := c.fed.now()
	alive := c.others()
	sources := slices.DeleteFunc(c.fed.sources(), func(n string) bool { return !slices.Contains(alive, n) })
	weight := func(node string) string {
		sum := sha256.Sum256([]byte(c.id.Name + "/" + node))
		return string(sum[:])
	}
	slices.SortFunc(sources, func(a, b string) int {
		if (a == told.Leader) != (b == told.Leader) {
			if a == told.Leader {
				return 1
			}
			return -1
		}
		return cmp.Compare(weight(a), weight(b))
	})
	return sources
}

// follow is fed by a node until that ends, or a leader of Raft is heard.
func (c *Cluster) follow(node string) error {
	ctx, cancel := context.WithTimeout(c.life.ctx, feedSilence)
	conn, err := c.port.mux.Dial(ctx, node, peer.Feed)
	cancel()
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(c.life.ctx, func() { conn.Close() })()
	index, _ := c.ledger.Applied()
	conn.SetWriteDeadline(time.Now().Add(feedSilence))
	if err := peer.WriteFrame(conn, binary.BigEndian.AppendUint64(nil, index)); err != nil {
		return err
	}
	for c.raft.Leader() == "" {
		kind, content, err := readFeed(conn)
		if err != nil {
			return err
		}
		if err := c.takeFeed(conn, kind, content); err != nil {
			return err
		}
	}
	return nil
}

func readFeed(conn net.Conn) (kind byte, content []byte, err error) {
	conn.SetReadDeadline(time.Now().Add(feedSilence))
	frame, err := peer.ReadFrame(conn, maxFeedFrame)
	if err != nil {
		return 0, nil, err
	}
	if len(frame) == 0 {
		return 0, nil, errFeed
	}
	return frame[0], frame[1:], nil
}

func (c *Cluster) takeFeed(conn net.Conn, kind byte, content []byte) error {
	switch kind {
	case feedNews:
		var n feedNotice
		if err := json.Unmarshal(content, &n); err != nil {
			return errFeed
		}
		if n.Leader == "" {
			return errNoLeader
		}
		c.fed.heard(&n)
		return nil
	case feedBatch:
		entries, err := decodeEntries(content)
		if err != nil {
			return err
		}
		c.fed.heard(nil)
		return c.raft.Feed(entries)
	case feedSnapshot:
		parts := &snapshotParts{conn: conn, rest: content, fed: &c.fed}
		return errors.Join(c.raft.FeedSnapshot(parts), parts.drain())
	}
	return errFeed
}

// snapshotParts reads the frames of a snapshot.
type snapshotParts struct {
	conn net.Conn
	fed  *fed
	rest []byte
	over bool
}

func (s *snapshotParts) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.over {
			return 0, io.EOF
		}
		kind, content, err := readFeed(s.conn)
		switch {
		case err != nil:
			return 0, err
		case kind != feedSnapshot:
			return 0, errFeed
		}
		s.fed.heard(nil)
		s.rest, s.over = content, len(content) == 0
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// drain reads to the end of the snapshot, so that what follows is a new frame.
func (s *snapshotParts) drain() error {
	_, err := io.Copy(io.Discard, s)
	return err
}
