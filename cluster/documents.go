package cluster

import (
	"context"
	"fmt"
	"iter"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/blob"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/peer"
	"github.com/faxmesh/faxmesh/cluster/presence"
	"github.com/faxmesh/faxmesh/cluster/replica"
	"github.com/faxmesh/faxmesh/cluster/room"
)

// DefaultMinFree is how many octets new work leaves free on the disk, for what
// is under way.
const DefaultMinFree = 1 << 30

// documents is this node's share of the documents.
type documents struct {
	replica *replica.Replica
	room    *room.Room
}

// openDocuments opens the store of this node's documents, and who looks after
// them. Its key lies beside it: a disk that is thrown away with the key on it
// is as good as plain, but a backup of the documents alone tells nothing.
func (c *Cluster) openDocuments(dir string) error {
	at := filepath.Join(dir, blobDir)
	key, err := blob.LoadKey(filepath.Join(dir, blobKey), at, !c.opt.Plain)
	if err != nil {
		return err
	}
	store, err := blob.Open(blob.Config{Dir: at, Key: key, Seal: !c.opt.Plain, Logger: c.opt.Logger})
	if err != nil {
		return err
	}
	if c.opt.Room.MinFree == 0 {
		c.opt.Room.MinFree = DefaultMinFree
	}
	c.documents.room = room.Open(room.Config{
		Node: c.id.Name, Dir: at, Limits: c.opt.Room, Used: store.Used, Crossed: c.crossed, Logger: c.opt.Logger,
	})
	c.life.opened(c.documents.room.Close)
	c.documents.replica = replica.Open(replica.Config{
		Name: c.id.Name, Store: store, Copies: c.opt.Copies,
		Listener: c.port.mux.Listener(peer.Blob),
		Dial: func(ctx context.Context, node string) (net.Conn, error) {
			return c.port.mux.Dial(ctx, node, peer.Blob)
		},
		Others: c.others, Members: c.otherMembers, Records: records{c},
		Admit: c.documents.room.Admit, Alarm: c.note, Ages: filepath.Join(dir, agesFile), Logger: c.opt.Logger,
	})
	c.life.opened(c.documents.replica.Close)
	return nil
}

// Blobs are the documents of all nodes.
func (c *Cluster) Blobs() *replica.Replica { return c.documents.replica }

// Admit says why new work that brings so many octets may not begin here: an
// error of the kind fax.Full.
func (c *Cluster) Admit(octets int64) error { return c.documents.room.Admit(octets) }

// roomEvery is how often a node tells how full its disk is, if that has changed.
const roomEvery = 10 * time.Second

// showRoom tells the others how full this node's disk is.
func (c *Cluster) showRoom() {
	var shown presence.Load
	for wait := time.Duration(0); pause(c.life.ctx, wait) == nil; wait = roomEvery {
		level, u := c.documents.room.Now()
		now := presence.Load{Disk: c.opt.Room.Part(u), Room: level.String()}
		if now == shown || u.Total == 0 && c.opt.Room.Quota == 0 {
			continue
		}
		if err := c.SetLoad(now); err != nil {
			c.opt.Logger.Debug("how full the disk is could not be told to the other nodes", "err", err)
			continue
		}
		shown = now
	}
}

// otherMembers lists the members but this one, whether they answer or not.
func (c *Cluster) otherMembers() []string {
	nodes, err := c.book.nodes()
	if err != nil {
		c.opt.Logger.Warn("the members cannot be listed", "err", err)
	}
	names := make([]string, 0, len(nodes))
	for _, n := range nodes {
		if n.Name != c.id.Name {
			names = append(names, n.Name)
		}
	}
	return names
}

// crossed puts on record that the disk has become fuller, or emptier.
func (c *Cluster) crossed(from, to room.Level, u room.Usage) {
	detail := fmt.Sprintf("documents take %d MiB, %d of %d MiB are free", u.Used>>20, u.Free>>20, u.Total>>20)
	if to > from {
		c.opt.Logger.Error("the disk fills up; make room before new work is refused", "level", to, "usage", detail)
	} else {
		c.opt.Logger.Info("the disk has more room again", "level", to, "usage", detail)
	}
	c.note("disk-"+to.String(), c.id.Name, detail)
}

// note puts what this node has noticed on record; the others hear of it when
// they can.
func (c *Cluster) note(what, object, detail string) {
	err := c.Keep(ledger.Note{Activity: fax.Activity{At: fax.At(time.Now()), Who: c.id.Name, Node: c.id.Name, What: what, Object: object, Detail: detail}})
	if err != nil {
		c.opt.Logger.Error("an alarm could not be put on record", "what", what, "object", object, "detail", detail, "err", err)
	}
}

// records is what this node knows of documents: the ledger, with what it has
// done alone laid over it, and what it keeps for the ledger.
type records struct{ *Cluster }

func (r records) Named(hash string) (bool, error) {
	kept, err := r.keptHashes()
	if err != nil || slices.Contains(kept, hash) {
		return err == nil, err
	}
	return r.ledger.NamesDocument(hash)
}

func (r records) Needed() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		kept, err := r.keptHashes()
		if err != nil {
			yield("", err)
			return
		}
		for hash, err := range r.ledger.DocumentHashes() {
			for err == nil && len(kept) > 0 && kept[0] <= hash {
				if kept[0] < hash && !yield(kept[0], nil) {
					return
				}
				kept = kept[1:]
			}
			if !yield(hash, err) {
				return
			}
		}
		for _, hash := range kept {
			if !yield(hash, nil) {
				return
			}
		}
	}
}

// keptHashes are the documents that kept commands name, in order.
func (c *Cluster) keptHashes() ([]string, error) {
	_, pending := c.island.kept.Pending()
	var hashes []string
	for _, data := range pending {
		command, err := ledger.Decode(data)
		if err != nil {
			return nil, fmt.Errorf("read what this node has kept for the ledger: %w", err)
		}
		switch cmd := command.(type) {
		case ledger.Submit:
			hashes = append(hashes, cmd.Job.Source.Hash, cmd.Job.Fax.Hash)
		case ledger.Receive:
			hashes = append(hashes, cmd.Fax.Fax.Hash)
		}
	}
	slices.Sort(hashes)
	return slices.Compact(hashes), nil
}

// Confirm goes through the ledger of all nodes, so that this one knows what was
// agreed before. What it has done alone must have been told first.
func (r records) Confirm(ctx context.Context, detail string) error {
	if _, alone := r.Alone(); alone {
		return fmt.Errorf("node %s is cut off from the others and cannot know all records", r.id.Name)
	}
	_, err := r.Propose(ctx, ledger.Note{Activity: fax.Activity{At: fax.At(time.Now()), Who: r.id.Name, Node: r.id.Name, What: "documents-removed", Object: r.id.Name, Detail: detail}})
	if _, alone := r.Alone(); err == nil && alone {
		return fmt.Errorf("node %s was cut off from the others meanwhile", r.id.Name)
	}
	return err
}
