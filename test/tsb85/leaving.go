package main

import (
	"bytes"
	"fmt"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/t30"
	"github.com/faxmesh/faxmesh/modem/t4"
)

// leaving is the pages that the tester sends, to compare what the device has
// stored of them.
type leaving struct {
	assembly
	page  *message // under way; nil: it has been confirmed, or none was said
	pages int      // confirmed by the device
	gap   bool     // a partial page of it was abandoned (EOR-NULL)
}

// message is a page, or the part of one that the tester has said last.
type message struct {
	image *t4.Bitmap
	coded []byte       // the whole page
	bad   map[int]bool // rows that were spoilt
	ecm   bool
}

// restart forgets what was under way before a DCS.
func (l *leaving) restart() { l.page, l.gap, l.assembly = nil, false, assembly{} }

// answered compares the page under way with the one stored when the device
// confirms it with frame. The page is the image that the script names, unless its
// partial pages do not make up that image: then it is what they say.
func (l *leaving) answered(frame []byte, s dis.Session, d *device) error {
	text := t30.Describe(frame)
	m := l.page
	switch {
	case text == "RTN" || text == "PIN":
		l.page = nil
		return nil
	case text == "ERR":
		if l.ends {
			l.restart()
		} else {
			l.abandoned()
			l.gap = true
		}
		return nil
	case m == nil || text != "MCF" && text != "RTP" && text != "PIP":
		return nil
	}
	want := m.image
	if m.ecm {
		data, ok := l.confirmed()
		if !ok {
			return nil
		}
		if m.image == nil || !bytes.HasPrefix(data, m.coded) {
			want = decoded(data, s)
		} else {
			l.gap = false // the abandoned part has come after all
		}
	}
	if l.gap { // what of the page the device keeps is its own affair
		want = nil
	}
	l.page, l.gap = nil, false
	l.pages++
	return d.checkStored(text, l.pages, want, m.bad)
}

// checkStored looks whether the device has stored the pages that it has
// confirmed, the last of them as it was sent; a want of nil is any page.
func (d *device) checkStored(text string, pages int, want *t4.Bitmap, bad map[int]bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.stored) != pages {
		return fmt.Errorf("it sent %s for page %d and has stored %d", text, pages, len(d.stored))
	}
	if want == nil {
		return nil
	}
	got := d.stored[pages-1].Image
	if got.Width != want.Width || got.Height != want.Height {
		return fmt.Errorf("it sent %s for a page of %d x %d and has stored one of %d x %d",
			text, want.Width, want.Height, got.Width, got.Height)
	}
	for y := range want.Height {
		if !bad[y] && !bytes.Equal(got.Row(y), want.Row(y)) {
			return fmt.Errorf("it sent %s for a page that differs in row %d from the one it stored", text, y)
		}
	}
	return nil
}

// tally looks whether the device has stored as many pages as it has confirmed.
func (l *leaving) tally(d *device) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.stored) != l.pages {
		return fmt.Errorf("it has confirmed %d pages and stored %d", l.pages, len(d.stored))
	}
	return nil
}
