package clientlib

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// NewID makes the id of an order: 48 bits of milliseconds, so that ids are in
// order of time, and 80 random ones, in lower-case base32.
func NewID() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(time.Now().UnixMilli())<<16)
	_, _ = rand.Read(b[6:]) // never fails
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

// Submit uploads a document of size octets (-1 if not known) and orders it to
// be sent; order.Upload is filled in here, and order.ID if it is empty.
// progress, if not nil, is told the octets that the node has taken over. The
// answer comes when job and document are durable. When the node is lost on the
// way the order is repeated, which is still one job; with a reader that cannot
// seek only if the document was uploaded already.
func (c *Client) Submit(ctx context.Context, order fax.Order, document io.Reader, size int64, progress func(sent int64)) (fax.Job, error) {
	if order.ID == "" {
		order.ID = NewID()
	}
	if err := fax.CheckNumber(order.Number); err != nil {
		return fax.Job{}, err
	}
	if size > wire.MaxDocument {
		return fax.Job{}, fax.Errorf(fax.TooLarge, "the document has %d octets, at most %d are sent: send it in parts", size, wire.MaxDocument)
	}
	if progress == nil {
		progress = func(int64) {}
	}
	again, err := rewinder(document)
	if err != nil {
		return fax.Job{}, err
	}
	var answer wire.Job
	order.Upload = ""
	begun, asked := false, false
	err = c.do(ctx, safely, func(cn *conn) error {
		if begun && again != nil {
			if err := again(); err != nil {
				return err
			}
		}
		if begun && again == nil && order.Upload == "" {
			return fax.Errorf(fax.Unavailable, "the connection was lost in the middle of the document, which cannot be read twice: submit it again")
		}
		if !begun || again != nil {
			begun, order.Upload = true, ""
			id, err := cn.upload(ctx, document, size, progress)
			if err != nil {
				return err
			}
			order.Upload = id
		}
		order.Again, asked = order.Again || asked, true
		return cn.ask(ctx, wire.CmdSubmit, &wire.Submit{Order: order}, &answer)
	})
	return answer.Job, err
}

// rewinder returns what brings r back to where it stands now, nil if nothing
// does.
func rewinder(r io.Reader) (func() error, error) {
	s, ok := r.(io.Seeker)
	if !ok {
		return nil, nil
	}
	start, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, nil // a pipe has the method but cannot
	}
	return func() error {
		if _, err := s.Seek(start, io.SeekStart); err != nil {
			return fmt.Errorf("read the document again: %w", err)
		}
		return nil
	}, nil
}
