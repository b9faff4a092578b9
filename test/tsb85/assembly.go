package main

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/t30"
	"github.com/faxmesh/faxmesh/modem/t4"
)

// assembly is a page in partial pages, as far as it has come.
type assembly struct {
	frames [line.MaxBlock][]byte // of the partial page under way
	number int                   // of the partial page
	data   []byte
	ends   bool // the partial page ends the page
}

// take keeps the frames of a burst; those sent again replace the first ones.
func (a *assembly) take(frames [][]byte) {
	for _, f := range frames {
		if fif := hdlc.FIF(f); t30.FCF(hdlc.FCF(f)) == t30.FCD && len(fif) > 1 {
			a.frames[fif[0]] = fif[1:]
		}
	}
}

// post notes what a PPS says of the partial page before it.
func (a *assembly) post(pps []byte) {
	fif := hdlc.FIF(pps)
	a.ends = len(fif) > 0 && t30.FCF(fif[0]&^1) != t30.NULL
}

// confirmed ends the partial page, and returns the page if that ends it, too.
func (a *assembly) confirmed() (page []byte, ok bool) {
	data := append(a.data, bytes.Join(a.frames[:], nil)...)
	if a.ends {
		*a = assembly{}
		return data, len(data) > 0
	}
	*a = assembly{data: data, number: a.number + 1}
	return nil, false
}

// abandoned drops the partial page.
func (a *assembly) abandoned() { *a = assembly{data: a.data, number: a.number} }

// arriving is the pages that the device sends.
type arriving struct {
	assembly
	named string   // image that the script names for the page under way
	pages int      // how many the tester has confirmed
	due   bool     // the device has asked for an answer to a page
	rest  [][]byte // of the burst before, to look at frame by frame
}

// burst takes frames of a partial page, which must be of the size that DCS says.
func (a *arriving) burst(frames [][]byte, s dis.Session) error {
	for _, f := range frames {
		fif := hdlc.FIF(f)
		if t30.FCF(hdlc.FCF(f)) == t30.FCD && len(fif) != s.FrameSize()+1 {
			return fmt.Errorf("a frame of %d octets, DCS says %d", len(fif)-1, s.FrameSize())
		}
	}
	a.take(frames)
	a.rest = frames
	return nil
}

// page compares a page with the one that is due, and with the one the script
// names, if it does.
func (a *arriving) page(data []byte, s dis.Session, named *t4.Bitmap, doc document) error {
	got := decoded(data, s)
	if a.pages >= len(doc) {
		return fmt.Errorf("page %d of a document of %d", a.pages+1, len(doc))
	}
	if !got.Equal(doc[a.pages].Image) {
		return fmt.Errorf("the page, of %d rows in %s, is not page %d of its document", got.Height, s.Coding(), a.pages+1)
	}
	if named != nil && !got.Equal(named) {
		return fmt.Errorf("page %d of its document is not the image that the script names", a.pages+1)
	}
	return nil
}

// decoded is what image data on the line says.
func decoded(data []byte, s dis.Session) *t4.Bitmap {
	data = slices.Clone(data)
	t4.Reverse(data)
	width := s.Format().Width
	var b *t4.Bitmap
	switch s.Coding() {
	case "MMR":
		b, _ = t4.DecodeMMR(data, width, t4.MaxRows) // if it is damaged it will differ
	case "MR":
		b, _ = t4.DecodeMR(data, width, t4.MaxRows)
	default:
		b, _ = t4.DecodeMH(data, width, t4.MaxRows)
	}
	return b
}

// follow keeps what the device's frames say of its image signals.
func (p *player) follow(frame []byte) {
	switch t30.FCF(hdlc.FCF(frame) &^ 1) {
	case t30.DCS:
		p.chosen = dis.ParseDCS(hdlc.FIF(frame))
		p.fetched.assembly = assembly{}
	case t30.PPS:
		p.fetched.post(frame)
		p.fetched.due = p.fetched.ends
	case t30.MPS, t30.EOM, t30.EOP, t30.PIS, t30.PIM, t30.PRE:
		p.fetched.due = true
	}
}

// noteSaid follows what the tester's frames mean for the image signals of either
// side: their training, and whether a page is complete.
func (p *player) noteSaid(frame []byte) error {
	switch t30.FCF(hdlc.FCF(frame) &^ 1) {
	case t30.CFR:
		p.trained = true
	case t30.CTR, t30.ERR:
		p.trained = false
	case t30.DCS:
		p.session = dis.ParseDCS(hdlc.FIF(frame))
		p.said.restart()
	case t30.PPS:
		p.said.post(frame)
	case t30.RTN, t30.PIN:
		p.fetched.due = false
	case t30.MCF, t30.RTP, t30.PIP:
		return p.noteConfirmed()
	}
	return nil
}

// noteConfirmed counts a page that the tester confirms, once.
func (p *player) noteConfirmed() error {
	f := &p.fetched
	if p.chosen[dis.ECM] != 0 {
		page, ok := f.confirmed()
		if !ok {
			return nil
		}
		image, err := p.images.named(f.named)
		if err == nil {
			err = f.page(page, p.chosen, image, p.dut.document)
		}
		if err != nil {
			return err
		}
	}
	if f.due {
		f.due = false
		f.pages++
	}
	return nil
}
