package clientconn

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// upload takes a document over. The client is held back by WINDOW: what the
// desk has not taken over counts against its window.
func upload(ctx context.Context, c *conn, s *stream, body []byte) error {
	var q wire.Upload
	if err := wire.CheckThenDecode(body, &q); err != nil {
		return err
	}
	if q.Size > wire.MaxDocument {
		return tooLarge()
	}
	up, err := c.desk.BeginUpload(ctx, c.session, q.Size)
	if err != nil {
		return err
	}
	committed := false
	defer func() {
		if !committed {
			up.Abort()
		}
	}()
	done := &wire.Uploaded{ID: up.ID()}
	if err := s.answer(ctx, wire.More, done); err != nil {
		return err
	}
	sum, err := s.receive(ctx, up, q.Size)
	if err != nil {
		return err
	}
	if err := up.Commit(ctx, sum); err != nil {
		return err
	}
	committed = true
	return s.answer(ctx, 0, done)
}

// receive copies DATA into an upload until End, whose hash it returns.
func (s *stream) receive(ctx context.Context, up Upload, size int64) (string, error) {
	var offset int64
	for {
		f, err := s.next(ctx, wire.DATA)
		if err != nil {
			return "", err
		}
		if f.Flags&wire.End != 0 {
			if len(f.Payload) != sha256.Size {
				return "", fax.Errorf(fax.Invalid, "the end of the document must carry its SHA-256, not %d octets", len(f.Payload))
			}
			if size >= 0 && offset != size {
				return "", fax.Errorf(fax.Invalid, "the document was announced with %d octets but has %d", size, offset)
			}
			return hex.EncodeToString(f.Payload), nil
		}
		n := int64(len(f.Payload))
		switch {
		case n == 0:
			return "", fax.Errorf(fax.Invalid, "a part of the document is empty")
		case size >= 0 && offset+n > size:
			return "", fax.Errorf(fax.Invalid, "the document was announced with %d octets but has more", size)
		case offset+n > wire.MaxDocument:
			return "", tooLarge()
		}
		if _, err := up.Write(f.Payload); err != nil {
			return "", err
		}
		offset += n
		if err := s.progress(ctx, offset); err != nil {
			return "", err
		}
	}
}

func (s *stream) progress(ctx context.Context, offset int64) error {
	payload, err := wire.Encode(&wire.Progress{Offset: offset})
	if err != nil {
		return err
	}
	return s.conn.link.Send(ctx, wire.Frame{Type: wire.WINDOW, Stream: s.id, Payload: payload})
}

func tooLarge() error {
	return fax.Errorf(fax.TooLarge, "the document is over the limit of %d MiB: send it in parts", wire.MaxDocument>>20)
}
