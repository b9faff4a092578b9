package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/peer"
)

// Control is how a program with a node's directory speaks to the node that runs
// on it: by the cluster port, with the node's own certificate. That needs no
// port and no secret beside those that there are, no account, no majority, and
// whoever can read the directory may do all that the node may.
type Control struct {
	id     *peer.Identity
	addr   string // of the node's cluster port
	client *peer.Client
}

// Reach makes the way to the node whose directory is dir and whose cluster port
// is bound to the address listen; an address that stands for all is reached
// over loopback.
func Reach(dir, listen string) (*Control, error) {
	id, err := identify(Options{Dir: dir}, filepath.Join(dir, ownDir))
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fax.Errorf(fax.Invalid, "the cluster port %q is not host:port", listen)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	addr := net.JoinHostPort(host, port)
	c := &Control{id: id, addr: addr}
	c.client = peer.NewClient(func(ctx context.Context, _ string) (net.Conn, error) { return c.dial(ctx, peer.Request) })
	return c, nil
}

func (c *Control) dial(ctx context.Context, p peer.Proto) (net.Conn, error) {
	return peer.DialNode(ctx, c.id, c.addr, c.id.Name, c.id.Fingerprint(), p)
}

// Node is the name of the node.
func (c *Control) Node() string { return c.id.Name }

// Call asks the node, and reads the answer into answer unless that is nil.
// Question and answer travel as JSON. Unavailable: the node does not run.
func (c *Control) Call(ctx context.Context, method string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	got, err := c.client.CallOnce(ctx, c.id.Name, method, body)
	switch {
	case errors.Is(err, peer.ErrUnsent):
		return fax.Errorf(fax.Unavailable, "node %s cannot be asked; does it run? start it with faxmeshd run (%v)", c.id.Name, err)
	case err != nil:
		return err
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(got, answer); err != nil {
		return fmt.Errorf("read the answer of node %s: %w", c.id.Name, err)
	}
	return nil
}

// Close ends the connections.
func (c *Control) Close() error { return c.client.Close() }

// HandleOwn sets what answers a method of those who hold this node's directory
// (Control). Others are refused.
func (c *Cluster) HandleOwn(method string, f func(ctx context.Context, body []byte) ([]byte, error)) {
	c.server.Handle(method, func(ctx context.Context, from string, body []byte) ([]byte, error) {
		if from != c.id.Name {
			return nil, fax.Errorf(fax.NotAllowed, "only a program with the directory of node %s may ask it for %s", c.id.Name, method)
		}
		return f(ctx, body)
	})
}

// member says whether a key may use the cluster port: that of a member, and
// this node's own, whatever the ledger says.
func (c *Cluster) member(name, fingerprint string) bool {
	return name == c.id.Name && c.id.Holds(fingerprint) || c.book.member(name, fingerprint)
}

// stays is member for connections that there are.
func (c *Cluster) stays(name, fingerprint string) bool {
	return name == c.id.Name && c.id.Holds(fingerprint) || c.book.stays(name, fingerprint)
}
