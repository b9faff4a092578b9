package replica

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/blob"
	"github.com/faxmesh/faxmesh/cluster/peer"
	"golang.org/x/time/rate"
)

// A connection carries operations, one after another. The dialler sends a frame
//
//	'p' · hash, 32 octets · size u64      keep this document
//	'g' · hash                            give me this document
//	'h' · hashes, up to maxAsk            which of these do you have?
//	'n' · hashes, up to maxAsk            which of these do your records name?
//
// and the answer is a frame whose first octet is one of the codes below. To
// 'p' it is codeSend, whereupon the document's octets are sent and a second
// answer says codeDone when they are on disk, or codeDone at once if they are
// already. To 'g' it is codeSend with the size u64, and the octets follow. To
// 'h' and 'n' it is codeDone with one octet, 0 or 1, for each hash. After
// codeFailed, and wherever else an operation is broken off, the connection is
// closed. An operation may be repeated: it does no harm.
const (
	opPut   = 'p'
	opGet   = 'g'
	opHas   = 'h'
	opNamed = 'n'

	codeDone    = 0
	codeSend    = 1
	codeMissing = 2
	codeFailed  = 3 // with a text

	hashLen    = 32
	maxOpFrame = 1 + hashLen*maxAsk
	maxText    = 1024
	maxAnswer  = 1 + max(maxText, maxAsk)
)

var (
	errWire    = errors.New("the document protocol is not kept")
	errRefused = errors.New("the other node says")
)

// paced is a connection on which each read and write has its own deadline.
type paced struct{ net.Conn }

func (p paced) Read(b []byte) (int, error) {
	p.SetReadDeadline(time.Now().Add(stallTime))
	return p.Conn.Read(b)
}

func (p paced) Write(b []byte) (int, error) {
	p.SetWriteDeadline(time.Now().Add(stallTime))
	return p.Conn.Write(b)
}

func readAnswer(conn io.Reader) (code byte, rest []byte, err error) {
	answer, err := peer.ReadFrame(conn, maxAnswer)
	switch {
	case err != nil:
		return 0, nil, err
	case len(answer) == 0:
		return 0, nil, errWire
	case answer[0] == codeFailed:
		return 0, nil, fmt.Errorf("%w: %.*q", errRefused, maxText, answer[1:])
	}
	return answer[0], answer[1:], nil
}

// send gives a node a copy. When it returns nil the copy is on that node's
// disk.
func (r *Replica) send(ctx context.Context, node string, doc fax.Document, pace *rate.Limiter) error {
	hash, err := hex.DecodeString(doc.Hash)
	if err != nil {
		return blob.ErrBadHash
	}
	op := append([]byte{opPut}, hash...)
	op = binary.BigEndian.AppendUint64(op, uint64(doc.Size))
	return r.operate(ctx, node, op, func(conn paced, code byte, _ []byte) error {
		if code == codeDone {
			return nil
		}
		if code != codeSend {
			return errWire
		}
		content, err := r.cfg.Store.Open(doc.Hash)
		if err != nil {
			return err
		}
		defer content.Close()
		if _, err := io.Copy(conn, &slowed{ctx, content, pace}); err != nil {
			return err
		}
		code, _, err = readAnswer(conn)
		if err == nil && code != codeDone {
			err = errWire
		}
		return err
	})
}

// slowed is content that is read no faster than the pace, if there is one.
type slowed struct {
	ctx     context.Context
	content io.Reader
	pace    *rate.Limiter
}

func (s *slowed) Read(p []byte) (int, error) {
	n, err := s.content.Read(p[:min(len(p), rateBurst)])
	if s.pace != nil && n > 0 {
		if late := s.pace.WaitN(s.ctx, n); late != nil {
			return 0, late
		}
	}
	return n, err
}

// receive fetches a document from a node and keeps it, or gives ErrNotFound.
func (r *Replica) receive(ctx context.Context, node, hash string) error {
	raw, err := hex.DecodeString(hash)
	if err != nil {
		return blob.ErrBadHash
	}
	return r.operate(ctx, node, append([]byte{opGet}, raw...), func(conn paced, code byte, rest []byte) error {
		if code == codeMissing {
			return blob.ErrNotFound
		}
		if code != codeSend || len(rest) != 8 {
			return errWire
		}
		size := binary.BigEndian.Uint64(rest)
		if size > blob.MaxSize {
			return blob.ErrTooLarge
		}
		return r.cfg.Store.PutAs(io.LimitReader(conn, int64(size)), hash, int64(size))
	})
}

// ask finds out which of up to maxAsk documents a node has, or its records
// name.
func (r *Replica) ask(ctx context.Context, what byte, node string, hashes []string) ([]bool, error) {
	op := []byte{what}
	for _, h := range hashes {
		raw, err := hex.DecodeString(h)
		if err != nil || len(raw) != hashLen {
			raw = make([]byte, hashLen) // nobody has it
		}
		op = append(op, raw...)
	}
	has := make([]bool, len(hashes))
	err := r.operate(ctx, node, op, func(_ paced, code byte, rest []byte) error {
		if code != codeDone || len(rest) != len(hashes) {
			return errWire
		}
		for i := range has {
			has[i] = rest[i] == 1
		}
		return nil
	})
	return has, err
}

// serve answers one operation.
func (r *Replica) serve(conn paced, op []byte) error {
	switch {
	case len(op) == 1+hashLen+8 && op[0] == opPut:
		return r.servePut(conn, hex.EncodeToString(op[1:1+hashLen]), binary.BigEndian.Uint64(op[1+hashLen:]))
	case len(op) == 1+hashLen && op[0] == opGet:
		return r.serveGet(conn, hex.EncodeToString(op[1:]))
	case len(op)%hashLen == 1 && op[0] == opHas:
		return r.serveEach(conn, op[1:], func(hash string) (bool, error) { return r.cfg.Store.Has(hash), nil })
	case len(op)%hashLen == 1 && op[0] == opNamed:
		return r.serveEach(conn, op[1:], r.cfg.Records.Named)
	}
	return errWire
}

// serveEach answers a question about each of some documents.
func (r *Replica) serveEach(conn paced, hashes []byte, say func(hash string) (bool, error)) error {
	answer := []byte{codeDone}
	for h := hashes; len(h) > 0; h = h[hashLen:] {
		yes, err := say(hex.EncodeToString(h[:hashLen]))
		if err != nil {
			return refuse(conn, err)
		}
		answer = append(answer, b2i(yes))
	}
	return peer.WriteFrame(conn, answer)
}

func b2i(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func (r *Replica) servePut(conn paced, hash string, size uint64) error {
	if size > blob.MaxSize {
		return refuse(conn, blob.ErrTooLarge)
	}
	r.cfg.Store.Touch(hash)
	// The copy that is here already is read: the other node counts on it.
	if have, err := r.cfg.Store.Size(hash); err == nil && have == int64(size) {
		if r.cfg.Store.Verify(hash, func(int) error { return r.ctx.Err() }) == nil {
			return peer.WriteFrame(conn, []byte{codeDone})
		}
	}
	if err := r.cfg.Admit(int64(size)); err != nil {
		return refuse(conn, err)
	}
	if err := peer.WriteFrame(conn, []byte{codeSend}); err != nil {
		return err
	}
	if err := r.cfg.Store.PutAs(io.LimitReader(conn, int64(size)), hash, int64(size)); err != nil {
		return refuse(conn, err)
	}
	return peer.WriteFrame(conn, []byte{codeDone})
}

func (r *Replica) serveGet(conn paced, hash string) error {
	content, err := r.cfg.Store.Open(hash)
	if errors.Is(err, blob.ErrNotFound) {
		return peer.WriteFrame(conn, []byte{codeMissing})
	}
	if err != nil {
		return refuse(conn, err)
	}
	defer content.Close()
	head := binary.BigEndian.AppendUint64([]byte{codeSend}, uint64(content.Size()))
	if err := peer.WriteFrame(conn, head); err != nil {
		return err
	}
	_, err = io.Copy(conn, content)
	return err
}

// refuse tells the other node why and gives the error on for the log here.
func refuse(conn io.Writer, err error) error {
	text := err.Error()
	peer.WriteFrame(conn, append([]byte{codeFailed}, text[:min(len(text), maxText)]...))
	return err
}
