package cluster

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/cluster/consensus"
	"github.com/faxmesh/faxmesh/cluster/peer"
)

// Nodes that are not in Raft follow the ledger by the feed: they connect to one
// that is, say up to which entry they have it, and are sent what follows as it
// is agreed on. So a hundred nodes are no burden to the leader.
//
// The follower sends one frame, the index as eight octets, high octet first.
// The frames it gets begin with an octet that says what they are.
const (
	feedNews     = 'n' // feedNotice as JSON: at the beginning and when there was nothing for feedBeat
	feedBatch    = 'b' // entries: index u64, length u32, the command; repeated
	feedSnapshot = 's' // a part of a snapshot, maxFeedPart octets at most; an empty one ends it
)

// Limits and times of the feed.
const (
	maxFeeds     = 32        // followers of one node; further ones go to another
	maxFeedPart  = 256 << 10 // octets of a frame's content, or one command if that is longer
	maxFeedFrame = maxFeedPart + consensus.MaxCommand + 64
	maxFeedBatch = 512 // entries of a frame
	feedBeat     = time.Second
	feedSilence  = 5 * time.Second  // without a frame the source counts as lost
	feedWait     = 30 * time.Second // for a follower to take a frame
	feedAfter    = 2 * time.Second  // without a leader in Raft, then a node looks for a source
	feedAgain    = time.Second      // between tries
)

// feedNotice is what the feed tells besides entries.
type feedNotice struct {
	Leader string          `json:"leader"`
	Parts  map[string]bool `json:"parts"` // the nodes in Raft, and whether each votes
}

// parts are the nodes in Raft, as Raft here or else the feed knows them, and
// whether each votes.
func (c *Cluster) parts() map[string]bool {
	if n, fresh := c.fed.now(); fresh && c.raft.Leader() == "" {
		return n.Parts
	}
	members, err := c.raft.Members()
	if err != nil {
		c.opt.Logger.Warn("who votes cannot be read", "err", err)
	}
	parts := map[string]bool{}
	for _, m := range members {
		parts[m.Name] = m.Voter
	}
	return parts
}

func (c *Cluster) notice() feedNotice { return feedNotice{Leader: c.raft.Leader(), Parts: c.parts()} }

// serveFeeds feeds those who follow.
func (c *Cluster) serveFeeds() {
	l := c.port.mux.Listener(peer.Feed)
	defer context.AfterFunc(c.life.ctx, func() { l.Close() })()
	slots := make(chan struct{}, maxFeeds)
	var work sync.WaitGroup
	defer work.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		select {
		case slots <- struct{}{}:
		default:
			conn.Close()
			continue
		}
		work.Go(func() {
			defer func() { <-slots }()
			defer conn.Close()
			defer context.AfterFunc(c.life.ctx, func() { conn.Close() })()
			err := c.serveFeed(conn)
			c.opt.Logger.Debug("a follower is fed no longer", "from", conn.RemoteAddr(), "err", err)
		})
	}
}

// serveFeed feeds one follower until one of the two ends it, or this node
// hears of no leader any more.
func (c *Cluster) serveFeed(conn net.Conn) error {
	conn.SetReadDeadline(time.Now().Add(feedWait))
	hello, err := peer.ReadFrame(conn, 8)
	if err != nil || len(hello) != 8 {
		return fmt.Errorf("read where the follower stands: %w", cmp.Or(err, io.ErrUnexpectedEOF))
	}
	at := binary.BigEndian.Uint64(hello)
	bell, stop := c.ledger.Watch()
	defer stop()
	beat := time.NewTicker(feedBeat)
	defer beat.Stop()
	for news := true; ; {
		if c.raft.Leader() == "" {
			return errNoLeader
		}
		if news {
			body, err := json.Marshal(c.notice())
			if err == nil {
				err = sendFeed(conn, feedNews, body)
			}
			if err != nil {
				return err
			}
		}
		if at, err = c.feedOn(conn, at); err != nil {
			return err
		}
		select {
		case <-bell:
			news = false
		case <-beat.C:
			news = true
		case <-c.life.ctx.Done():
			return c.life.ctx.Err()
		}
	}
}

// feedOn sends all that there is after an index, and returns up to where that
// goes.
func (c *Cluster) feedOn(conn net.Conn, at uint64) (uint64, error) {
	for {
		entries, err := c.raft.Entries(at, maxFeedBatch, maxFeedPart)
		switch {
		case errors.Is(err, consensus.ErrNotLogged):
			index, err := c.feedState(conn)
			if err != nil || index <= at {
				return at, cmp.Or(err, errors.New("the follower is ahead of what can be fed"))
			}
			at = index
			continue
		case err != nil || len(entries) == 0:
			return at, err
		}
		if err := sendFeed(conn, feedBatch, encodeEntries(entries)); err != nil {
			return at, err
		}
		at = entries[len(entries)-1].Index
	}
}

// feedState sends the whole ledger and returns an index that is in it.
func (c *Cluster) feedState(conn net.Conn) (uint64, error) {
	index, _ := c.ledger.Applied()
	snapshot, err := c.ledger.Snapshot()
	if err != nil {
		return 0, err
	}
	defer snapshot.Release()
	if _, err := snapshot.WriteTo(feedParts{conn}); err != nil {
		return 0, err
	}
	return index, sendFeed(conn, feedSnapshot, nil)
}

// feedParts writes a snapshot in frames.
type feedParts struct{ conn net.Conn }

func (f feedParts) Write(b []byte) (n int, err error) {
	for part := range slices.Chunk(b, maxFeedPart) {
		if err := sendFeed(f.conn, feedSnapshot, part); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

func sendFeed(conn net.Conn, kind byte, content []byte) error {
	conn.SetWriteDeadline(time.Now().Add(feedWait))
	return peer.WriteFrame(conn, append([]byte{kind}, content...))
}

func encodeEntries(entries []consensus.Entry) (b []byte) {
	for _, e := range entries {
		b = binary.BigEndian.AppendUint64(b, e.Index)
		b = binary.BigEndian.AppendUint32(b, uint32(len(e.Data)))
		b = append(b, e.Data...)
	}
	return b
}

var errFeed = errors.New("a frame of the feed is not well-formed")

func decodeEntries(b []byte) (entries []consensus.Entry, err error) {
	for len(b) > 0 {
		if len(b) < 12 || len(entries) == maxFeedBatch {
			return nil, errFeed
		}
		n := binary.BigEndian.Uint32(b[8:])
		if n > consensus.MaxCommand || int(n) > len(b)-12 {
			return nil, errFeed
		}
		entries = append(entries, consensus.Entry{Index: binary.BigEndian.Uint64(b), Data: b[12 : 12+n]})
		b = b[12+n:]
	}
	return entries, nil
}
