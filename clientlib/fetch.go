package clientlib

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// Fetch writes the pages of a job or a received fax to w, as TIFF-F, and
// checks them against their hash. If the node is lost on the way it goes on at
// another one. After an error what was written is worth nothing.
func (c *Client) Fetch(ctx context.Context, id string, w io.Writer) (fax.Document, error) {
	d := &download{w: w, sum: sha256.New()}
	err := c.do(ctx, safely, func(cn *conn) error {
		cl, err := cn.begin(ctx, wire.CmdFetch, &wire.ByID{ID: id})
		if err != nil {
			return err
		}
		if err := d.receive(ctx, cl); err != nil {
			cl.giveUp()
			return err
		}
		cl.drop()
		return nil
	})
	return d.document, err
}

// download is a document on its way to w, over one connection or several.
type download struct {
	w        io.Writer
	sum      hash.Hash
	document fax.Document
	written  int64
}

func (d *download) receive(ctx context.Context, cl *call) error {
	var head wire.Document
	if _, err := cl.expect(ctx, &head); err != nil {
		return err
	}
	if d.document.Hash != "" && d.document.Hash != head.Document.Hash {
		return errors.New("the document changed while it was fetched: fetch it again")
	}
	d.document = head.Document
	for offset := int64(0); ; {
		f, err := cl.receive(ctx)
		if err != nil {
			return err
		}
		if f.Type != wire.DATA {
			return fmt.Errorf("%w: %s in the middle of a document", wire.ErrFrame, f.Type)
		}
		if err := d.take(offset, f.Payload); err != nil {
			return err
		}
		offset += int64(len(f.Payload))
		if f.Flags&wire.End != 0 {
			return d.check(offset)
		}
		if err := cl.progress(ctx, offset); err != nil {
			return err
		}
	}
}

// take writes what was not written before a connection was lost.
func (d *download) take(offset int64, part []byte) error {
	if offset+int64(len(part)) > wire.MaxDocument {
		return fax.Errorf(fax.TooLarge, "the node sends more than %d octets", wire.MaxDocument)
	}
	skip := min(max(d.written-offset, 0), int64(len(part)))
	part = part[skip:]
	if _, err := d.w.Write(part); err != nil {
		return fmt.Errorf("write the document: %w", err)
	}
	d.sum.Write(part) // never fails
	d.written += int64(len(part))
	return nil
}

func (d *download) check(size int64) error {
	if sum := hex.EncodeToString(d.sum.Sum(nil)); size != d.written || sum != d.document.Hash {
		return fax.Errorf(fax.Internal, "the document has arrived damaged: its hash is %s, expected %s", sum, d.document.Hash)
	}
	return nil
}

func (cl *call) progress(ctx context.Context, offset int64) error {
	payload, err := wire.Encode(&wire.Progress{Offset: offset})
	if err != nil {
		return err
	}
	return cl.send(ctx, wire.Frame{Type: wire.WINDOW, Payload: payload})
}
