package clientlib

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// upload hands a document in and returns the id to order it by.
func (c *conn) upload(ctx context.Context, r io.Reader, size int64, progress func(int64)) (string, error) {
	cl, err := c.begin(ctx, wire.CmdUpload, &wire.Upload{Size: size})
	if err != nil {
		return "", err
	}
	id, err := cl.upload(ctx, r, progress)
	if err != nil {
		cl.giveUp()
		return "", err
	}
	cl.drop()
	return id, nil
}

func (cl *call) upload(ctx context.Context, r io.Reader, progress func(int64)) (string, error) {
	var done wire.Uploaded
	if _, err := cl.expect(ctx, &done); err != nil {
		return "", err
	}
	u := uploading{call: cl, sum: sha256.New(), progress: progress}
	for last := false; !last; {
		chunk := make([]byte, wire.Chunk)
		n, err := io.ReadFull(r, chunk)
		last = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return "", fmt.Errorf("read the document: %w", err)
		}
		if err := u.send(ctx, chunk[:n]); err != nil {
			return "", err
		}
	}
	if err := cl.send(ctx, wire.Frame{Type: wire.DATA, Flags: wire.End, Payload: u.sum.Sum(nil)}); err != nil {
		return "", err
	}
	for {
		f, err := cl.receive(ctx)
		if err != nil {
			return "", err
		}
		if f.Type == wire.RES {
			return done.ID, wire.CheckThenDecode(f.Payload, &done)
		}
		if err := u.window(f); err != nil {
			return "", err
		}
	}
}

// uploading is how far an upload has come.
type uploading struct {
	call        *call
	sum         hash.Hash
	sent, taken int64
	progress    func(int64)
}

// send sends a part when the node's window has room for it.
func (u *uploading) send(ctx context.Context, part []byte) error {
	if len(part) == 0 {
		return nil
	}
	for u.sent+int64(len(part))-u.taken > u.call.conn.window {
		f, err := u.call.receive(ctx)
		if err != nil {
			return err
		}
		if err := u.window(f); err != nil {
			return err
		}
	}
	u.sum.Write(part) // never fails
	u.sent += int64(len(part))
	return u.call.send(ctx, wire.Frame{Type: wire.DATA, Payload: part})
}

// window takes a WINDOW of the node.
func (u *uploading) window(f wire.Frame) error {
	var p wire.Progress
	if f.Type != wire.WINDOW {
		return fmt.Errorf("%w: %s in the middle of an upload", wire.ErrFrame, f.Type)
	}
	if err := wire.CheckThenDecode(f.Payload, &p); err != nil {
		return err
	}
	if p.Offset < u.taken || p.Offset > u.sent {
		return fmt.Errorf("%w: the node has taken %d octets, %d were sent", wire.ErrFrame, p.Offset, u.sent)
	}
	u.taken = p.Offset
	u.progress(u.taken)
	return nil
}
