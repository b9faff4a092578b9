package main

import (
	"bytes"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/t30"
)

// assembly is a page that the device sends with ECM, as far as it has come.
type assembly struct {
	frames [line.MaxBlock][]byte // of the partial page under way
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
	*a = assembly{data: data}
	return nil, false
}

// follow keeps what the device's frames say of its image signals.
func (p *player) follow(frame []byte) {
	switch t30.FCF(hdlc.FCF(frame) &^ 1) {
	case t30.DCS:
		p.chosen = dis.ParseDCS(hdlc.FIF(frame))
		p.page = assembly{}
	case t30.PPS:
		p.page.post(frame)
	}
}

// noteSaid follows what the tester's frames mean for the image signals of the
// device: their training, and whether a page is complete.
func (p *player) noteSaid(frame []byte) error {
	switch t30.FCF(hdlc.FCF(frame) &^ 1) {
	case t30.CFR:
		p.trained = true
	case t30.CTR, t30.ERR:
		p.trained = false
	case t30.DCS:
		p.session = dis.ParseDCS(hdlc.FIF(frame))
	case t30.MCF:
		if page, ok := p.page.confirmed(); ok {
			return p.dut.checkSent(page, p.chosen)
		}
	}
	return nil
}
