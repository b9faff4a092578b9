package clientconn

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// fetch sends the pages of a fax, never more than a window ahead of the
// client, in frames that everything else overtakes.
func fetch(ctx context.Context, c *conn, s *stream, body []byte) error {
	var q wire.ByID
	if err := wire.CheckThenDecode(body, &q); err != nil {
		return err
	}
	doc, pages, err := c.desk.OpenFax(ctx, c.session, q.ID)
	if err != nil {
		return err
	}
	defer pages.Close() // read only: its error changes nothing
	if err := s.answer(ctx, wire.More, &wire.Document{Document: doc}); err != nil {
		return err
	}
	return s.send(ctx, pages)
}

func (s *stream) send(ctx context.Context, r io.Reader) error {
	var sent, taken int64
	for {
		for sent-taken+wire.Chunk > wire.Window {
			var err error
			if taken, err = s.window(ctx, taken, sent); err != nil {
				return err
			}
		}
		chunk := make([]byte, wire.Chunk)
		n, err := io.ReadFull(r, chunk)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return fmt.Errorf("read the document: %w", err)
		}
		f := wire.Frame{Type: wire.DATA, Stream: s.id, Payload: chunk[:n]}
		if last {
			f.Flags = wire.End
		}
		if err := s.conn.link.SendBulk(ctx, f); err != nil || last {
			return err
		}
		sent += int64(n)
	}
}

// window waits until the client says how far it has come.
func (s *stream) window(ctx context.Context, taken, sent int64) (int64, error) {
	f, err := s.next(ctx, wire.WINDOW)
	if err != nil {
		return 0, err
	}
	var p wire.Progress
	if err := wire.CheckThenDecode(f.Payload, &p); err != nil {
		return 0, err
	}
	if p.Offset < taken || p.Offset > sent {
		return 0, fax.Errorf(fax.Invalid, "the client says it has %d octets, %d were sent", p.Offset, sent)
	}
	return p.Offset, nil
}
