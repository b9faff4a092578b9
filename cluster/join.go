package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/durable"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/peer"
)

// Limits of joining. All but the answer come from a stranger.
const (
	joinTime    = 20 * time.Second // for the whole of it
	maxAsking   = 8 << 10          // octets of the joining node's request
	maxAdmitted = 1 << 20          // octets of the answer
)

// asking is what a node that joins sends, in one frame.
type asking struct {
	Secret  []byte   `json:"secret"`
	Request []byte   `json:"request"` // PKCS #10, DER
	Node    fax.Node `json:"node"`    // name and addresses
}

// admitted is the answer: why not, or all that a member knows.
type admitted struct {
	Error *fax.Error      `json:"error,omitempty"`
	As    peer.Membership `json:"as"`
	Roll  roll            `json:"roll"`
}

// NewToken makes a token with which uses nodes may join within ttl. by is who
// asks for it; the caller has checked the right.
func (c *Cluster) NewToken(ctx context.Context, by string, uses int, ttl time.Duration) (string, error) {
	t := newToken(c.id.Authority())
	now := time.Now()
	_, err := c.Propose(ctx, ledger.PutToken{
		Hash: t.hash(), Expires: fax.At(now.Add(ttl)), Uses: uses, By: by, Node: c.id.Name, At: fax.At(now),
	})
	if err != nil {
		return "", err
	}
	return t.String(), nil
}

// Join makes the node that dir belongs to from now on a member of the cluster
// that gave the token and has a node at addr. The node's private key is made
// here and stays here. A Join that broke off may be repeated with the same
// name and token. The node takes part when it is opened.
func Join(ctx context.Context, dir, tokenText, addr string, opt Options) error {
	if err := unclaimed(dir); err != nil {
		return err
	}
	if err := fax.CheckName("node", opt.Name); err != nil {
		return err
	}
	t, err := parseToken(tokenText)
	if err != nil {
		return err
	}
	made := filepath.Join(dir, newDir)
	identity := filepath.Join(made, identityDir)
	if err := durable.MkdirAll(identity, 0o700); err != nil {
		return err
	}
	applicant, err := peer.Apply(identity, opt.Name)
	if err != nil {
		return err
	}
	answer, err := ask(ctx, addr, t, applicant, opt)
	if err != nil {
		return err
	}
	id, err := applicant.Accept(answer.As)
	if err != nil {
		return fmt.Errorf("join by %s: %w", addr, err)
	}
	if id.Authority() != t.authority {
		return fax.Errorf(fax.Invalid, "the node at %s has sent the keys of another cluster", addr)
	}
	if err := id.Save(identity); err != nil {
		return err
	}
	if err := answer.Roll.write(filepath.Join(made, rollFile)); err != nil {
		return err
	}
	return durable.Rename(made, filepath.Join(dir, ownDir))
}

// ask sends the request and reads the answer.
func ask(ctx context.Context, addr string, t token, a *peer.Applicant, opt Options) (answer admitted, err error) {
	request, err := a.Request()
	if err != nil {
		return answer, err
	}
	question, err := json.Marshal(asking{Secret: t.secret[:], Request: request,
		Node: fax.Node{Name: opt.Name, PeerAddr: opt.PeerAdvertise, ClientAddr: opt.ClientAddr, Knows: ledger.Newest}})
	if err != nil {
		return answer, err
	}
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	conn, err := peer.DialJoin(ctx, addr, t.authority)
	if err != nil {
		return answer, fax.Errorf(fax.Unavailable, "the node at %s cannot be joined: %v", addr, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	err = peer.WriteFrame(conn, question)
	var frame []byte
	if err == nil {
		frame, err = peer.ReadFrame(conn, maxAdmitted)
	}
	if err != nil {
		return answer, fax.Errorf(fax.Unavailable, "the node at %s has not answered the request to join; is that its cluster port? %v", addr, err)
	}
	if err := json.Unmarshal(frame, &answer); err != nil {
		return answer, fmt.Errorf("read the answer of %s: %w", addr, err)
	}
	if answer.Error != nil {
		return answer, answer.Error
	}
	return answer, nil
}

// serveJoins answers nodes that want to join.
func (c *Cluster) serveJoins() {
	l := c.port.mux.Listener(peer.Join)
	defer context.AfterFunc(c.life.ctx, func() { l.Close() })()
	tries := newGuessing()
	var work sync.WaitGroup
	defer work.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		work.Go(func() {
			defer conn.Close()
			ctx, cancel := context.WithTimeout(c.life.ctx, joinTime)
			defer cancel()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			if err := c.serveJoin(ctx, conn, tries); err != nil {
				c.opt.Logger.Warn("a node could not join", "from", conn.RemoteAddr(), "err", err)
			}
		})
	}
}

// serveJoin answers one request; the error is for the log.
func (c *Cluster) serveJoin(ctx context.Context, conn net.Conn, tries *guessing) error {
	frame, err := peer.ReadFrame(conn, maxAsking)
	if err != nil {
		return err
	}
	var q asking
	if err := json.Unmarshal(frame, &q); err != nil {
		return errors.New("the request is not well-formed")
	}
	var answer admitted
	if from := origin(conn.RemoteAddr()); tries.may(from) {
		answer, err = c.admit(ctx, q)
		if kind := fax.KindOf(err); err != nil && kind != fax.Unavailable && tries.wrong(from) {
			c.noteRefusal(ctx, q.Node.Name, conn.RemoteAddr(), err)
		}
	} else {
		err = fax.Errorf(fax.Busy, "there have been too many wrong tries to join; try again in a minute")
	}
	if err != nil {
		var reason *fax.Error
		if !errors.As(err, &reason) {
			reason = &fax.Error{Kind: fax.Internal, Text: "the node could not admit another one; its log says why"}
		}
		answer = admitted{Error: reason}
	}
	frame, encodeErr := json.Marshal(answer)
	if encodeErr != nil {
		return encodeErr
	}
	return errors.Join(err, peer.WriteFrame(conn, frame))
}

// noteRefusal puts a try to join that was refused on record.
func (c *Cluster) noteRefusal(ctx context.Context, name string, from net.Addr, why error) {
	if fax.CheckName("node", name) != nil {
		name = ""
	}
	_, err := c.Propose(ctx, ledger.Note{Activity: fax.Activity{At: fax.At(time.Now()), Who: name, Node: c.id.Name, What: "refuse-join", Object: name,
		Detail: fmt.Sprintf("from %s: %v", from, why)}})
	if err != nil {
		c.opt.Logger.Warn("a refused join is not on the activity record", "from", from, "err", err)
	}
}

// admit makes a node a member. The token is looked at first: a stranger without
// one learns nothing, not even which names are taken.
func (c *Cluster) admit(ctx context.Context, q asking) (answer admitted, err error) {
	if err := fax.CheckName("node", q.Node.Name); err != nil {
		return answer, err
	}
	cert, err := c.id.Admit(q.Request, q.Node.Name)
	if err != nil {
		return answer, fax.Errorf(fax.Invalid, "the certificate request is not acceptable: %v", err)
	}
	now := fax.At(time.Now())
	if _, err := c.Propose(ctx, ledger.SpendToken{Hash: secretHash(q.Secret), Node: q.Node.Name, Fingerprint: peer.Fingerprint(cert), At: now}); err != nil {
		return answer, err
	}
	if err := c.recentEnough(q.Node); err != nil {
		return answer, err
	}
	node := fax.Node{Name: q.Node.Name, PeerAddr: q.Node.PeerAddr, ClientAddr: q.Node.ClientAddr, Fingerprint: peer.Fingerprint(cert), Joined: now, Knows: q.Node.Knows}
	if _, err := c.Propose(ctx, ledger.PutNode{Node: node}); err != nil {
		return answer, err
	}
	if answer.As, err = c.id.Membership(cert); err != nil {
		return answer, err
	}
	answer.Roll, err = c.roll()
	c.opt.Logger.Info("a node has joined", "peer", node.Name, "addr", node.PeerAddr)
	return answer, err
}
