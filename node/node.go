// Package node is one server: its share of the cluster, its telephone lines,
// the door for clients.
//
// Open starts the parts from the bottom up, Close stops them in the opposite
// order; nothing else in the tree starts or stops a part of a server.
package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/cluster"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/node/clientconn"
	"github.com/faxmesh/faxmesh/node/desk"
	"github.com/faxmesh/faxmesh/node/dispatch"
	"github.com/faxmesh/faxmesh/node/lines"
	"github.com/faxmesh/faxmesh/node/notify"
	"github.com/faxmesh/faxmesh/node/queue"
)

// Line is a modem to own, with its name, number and kind.
type Line struct {
	Name   string
	Number string
	Kind   string // "class1", "simulated"
	Modem  modem.Modem
}

// Config is what a server is made of.
type Config struct {
	// Cluster is how the node takes part in its cluster. Its Dir is the node's
	// data directory and its Logger the node's; its ClientAddr, where clients
	// are sent, is the address of ClientListen if empty.
	Cluster      cluster.Options
	ClientListen string // address of the client port; ":7488" if empty
	ClientLimits clientconn.Limits
	Station      string // identification on the telephone line, at most 20 characters
	Lines        []Line // closed by Close, and by a failed Open
	Retry        queue.Policy
}

// DefaultClientListen is the client port of a node.
const DefaultClientListen = ":7488"

// Node is a running server.
type Node struct {
	log      *slog.Logger
	cluster  *cluster.Cluster
	lines    *lines.Lines
	dispatch *dispatch.Dispatch
	notifier *notify.Notifier
	desk     *desk.Desk
	door     *clientconn.Server
	listener net.Listener

	serving sync.WaitGroup
	once    sync.Once
	closing []func() error // in the order of opening
	err     error
}

// Open starts a server on a data directory that belongs to a cluster.
func Open(ctx context.Context, cfg Config) (_ *Node, err error) {
	n := &Node{log: cfg.Cluster.Logger}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
		cfg.Cluster.Logger = n.log
	}
	modems := cfg.Lines // ours to close until package lines has them
	defer func() {
		if err != nil {
			for _, l := range modems {
				err = errors.Join(err, l.Modem.Close())
			}
			err = errors.Join(err, n.Close())
		}
	}()
	// The client port is bound first: if it is taken, nothing else has begun.
	if err := n.listen(cfg.ClientListen); err != nil {
		return nil, err
	}
	if cfg.Cluster.ClientAddr == "" {
		cfg.Cluster.ClientAddr = n.listener.Addr().String()
	}
	if n.cluster, err = cluster.Open(ctx, cfg.Cluster); err != nil {
		return nil, fmt.Errorf("open the cluster: %w", err)
	}
	n.closing = append(n.closing, n.cluster.Close)
	n.log = n.log.With("node", n.cluster.Name())
	parts := &parts{cluster: n.cluster, log: n.log, scratch: filepath.Join(cfg.Cluster.Dir, "scratch"), numbers: make(map[string]string)}
	for _, l := range cfg.Lines {
		parts.numbers[l.Name] = l.Number
	}
	if err := parts.prepare(); err != nil {
		return nil, err
	}
	if err := n.openLines(cfg, parts); err != nil {
		return nil, err
	}
	modems = nil
	if err := n.openDispatch(cfg, parts); err != nil {
		return nil, err
	}
	n.openNotifier(parts)
	if err := n.openDesk(cfg, parts); err != nil {
		return nil, err
	}
	return n, n.openDoor(cfg)
}

func (n *Node) listen(addr string) (err error) {
	if addr == "" {
		addr = DefaultClientListen
	}
	if n.listener, err = net.Listen("tcp", addr); err != nil {
		return fmt.Errorf("open the client port (another program may have it): %w", err)
	}
	n.closing = append(n.closing, func() error {
		if err := n.listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil // the door has closed it
	})
	return nil
}

func (n *Node) openLines(cfg Config, p *parts) (err error) {
	list := make([]lines.Line, len(cfg.Lines))
	for i, l := range cfg.Lines {
		list[i] = lines.Line(l)
	}
	n.lines, err = lines.Open(lines.Config{
		Node: n.cluster.Name(), Station: cfg.Station, Dir: cfg.Cluster.Dir, Lines: list,
		NewID: func() string { return desk.NewID(time.Now()) }, Publish: p.publish,
		Alarm: p.alarm, Deliver: p.deliver, Log: n.log,
	})
	if err != nil {
		return fmt.Errorf("open the lines: %w", err)
	}
	n.closing = append(n.closing, closes(n.lines.Close))
	n.cluster.Remains(func() string {
		if held := n.lines.Undelivered(); held > 0 {
			return fmt.Sprintf("%d received faxes that are not filed yet", held)
		}
		return ""
	})
	return nil
}

func (n *Node) openDispatch(cfg Config, p *parts) (err error) {
	n.dispatch, err = dispatch.Open(dispatch.Config{
		Node: n.cluster.Name(), Cluster: p, Journal: n.cluster.Journal(), Changed: n.cluster.Changed,
		Dial: n.lines.Dial, Document: p.document, Policy: cfg.Retry, Log: n.log,
		Stations: filepath.Join(cfg.Cluster.Dir, "stations.json"),
	})
	if err != nil {
		return fmt.Errorf("open the dispatch: %w", err)
	}
	n.closing = append(n.closing, closes(n.dispatch.Close))
	return nil
}

func (n *Node) openNotifier(p *parts) {
	n.notifier = notify.Open(notify.Config{
		Node: n.cluster.Name(), Cluster: p, Changed: n.cluster.Changed, MayDial: p.mayDial,
		Certificate: n.cluster.Certificate, Log: n.log,
	})
	n.closing = append(n.closing, closes(n.notifier.Close))
}

func (n *Node) openDesk(cfg Config, p *parts) (err error) {
	n.desk, err = desk.Open(desk.Config{
		Node: n.cluster.Name(), ClusterID: n.cluster.ID(), SessionKey: n.cluster.SessionKey(), Certificate: n.cluster.Certificate, Dir: cfg.Cluster.Dir,
		Ledger: n.cluster.Ledger(), Cluster: p, Blobs: blobs{p}, Notifier: n.notifier, Ready: ready, Convert: convert, Log: n.log,
	})
	if err != nil {
		return fmt.Errorf("open the desk: %w", err)
	}
	n.desk.AdmitBy(n.cluster.Admit)
	n.desk.WaitsBy(p.waits)
	n.closing = append(n.closing, closes(n.desk.Close))
	return nil
}

// certificate is the node's at the time: it is renewed while the node runs.
func (n *Node) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	shown := n.cluster.Certificate()
	return &shown, nil
}

func (n *Node) openDoor(cfg Config) (err error) {
	n.door, err = clientconn.New(clientconn.Config{
		Desk: n.desk, TLS: &tls.Config{GetCertificate: n.certificate},
		Logger: n.log, Limits: cfg.ClientLimits,
	})
	if err != nil {
		return fmt.Errorf("open the door: %w", err)
	}
	n.serving.Go(func() {
		if err := n.door.Serve(n.listener); err != nil {
			n.log.Error("the client port serves no longer", "err", err)
		}
	})
	n.closing = append(n.closing, func() error {
		err := n.door.Close()
		n.serving.Wait()
		return err
	})
	n.log.Info("serving", "clients", n.listener.Addr().String(), "nodes", n.cluster.PeerAddr().String(), "lines", len(cfg.Lines))
	return nil
}

func closes(f func()) func() error {
	return func() error { f(); return nil }
}

// Close stops the server: no client comes in, calls are ended and given back,
// the lead is handed over. It may be called again.
func (n *Node) Close() error {
	n.once.Do(func() {
		for i := len(n.closing) - 1; i >= 0; i-- {
			n.err = errors.Join(n.err, n.closing[i]())
		}
	})
	return n.err
}

// Name is the node's.
func (n *Node) Name() string { return n.cluster.Name() }

// Cluster is the node's share of the cluster.
func (n *Node) Cluster() *cluster.Cluster { return n.cluster }

// ClientAddr is where the client port is bound.
func (n *Node) ClientAddr() net.Addr { return n.listener.Addr() }

// PeerAddr is where the cluster port is bound.
func (n *Node) PeerAddr() net.Addr { return n.cluster.PeerAddr() }

// Transcript is the T.30 dialogue of the last call for a job, or of the call
// of a received fax, if this node made or took it.
func (n *Node) Transcript(id string) (string, bool) { return n.lines.Transcript(id) }

// Failed is closed when the server can go on no longer: close it and end the
// program. Err says why.
func (n *Node) Failed() <-chan struct{} { return n.cluster.Failed() }

// Err is why the server has failed.
func (n *Node) Err() error { return n.cluster.Err() }

var _ clientconn.Desk = (*desk.Desk)(nil)
