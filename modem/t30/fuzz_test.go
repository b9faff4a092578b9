package t30_test

import (
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/t30"
)

// hostile is a line on which anything is heard: it reads a script of what comes.
// When the script has run out there is silence, or, if it repeats, the same all
// over again, without end.
type hostile struct {
	script []byte
	at     int
	repeat bool
	now    time.Duration
}

func (h *hostile) octet() (byte, bool) {
	if h.at >= len(h.script) {
		if !h.repeat || len(h.script) == 0 {
			return 0, false
		}
		h.at = 0
	}
	h.at++
	return h.script[h.at-1], true
}

func (h *hostile) octets(n int) []byte {
	var p []byte
	for range n {
		b, ok := h.octet()
		if !ok {
			break
		}
		p = append(p, b)
	}
	return p
}

// hear makes one Heard of the next octets: its kind, a length, then its octets.
func (h *hostile) hear(l line.Listen) line.Heard {
	kind, ok := h.octet()
	if !ok || kind%8 == 0 {
		h.now += l.Timeout
		return line.Heard{}
	}
	n, _ := h.octet()
	h.now += time.Duration(n) * time.Millisecond
	switch kind % 8 {
	case 1:
		return line.Heard{Kind: line.Noise}
	case 2:
		if l.Rate == line.V21 {
			return line.Heard{Kind: line.Noise}
		}
		if l.Want == line.Training {
			return line.Heard{Kind: line.Image, Data: make([]byte, 3000)}
		}
		f := hdlc.Append(nil, false, byte(t30.FCD), h.octets(int(n)%8)...)
		return line.Heard{Kind: line.Image, Data: h.octets(int(n)), Frames: [][]byte{f, nil, {0xFF}}}
	case 3:
		return line.Heard{Kind: line.Frame, Good: kind&8 != 0, Data: h.octets(int(n))}
	}
	fcf, _ := h.octet()
	return line.Heard{Kind: line.Frame, Good: true, Data: hdlc.Append(nil, kind&16 == 0, fcf, h.octets(int(n)%40)...)}
}

// drive steps an engine to its end over a hostile line; false if it does not end.
func (h *hostile) drive(e *t30.Engine, steps int) (t30.Report, bool) {
	var in t30.Event
	for range steps {
		in.Now = h.now
		o := e.Step(in)
		in = t30.Event{}
		switch o.Kind {
		case t30.Say:
			h.now += time.Second
		case t30.Hear:
			in.Heard = h.hear(o.Listen)
		case t30.Look:
			in.Format = standard
		case t30.Code:
			in.Data = make([]byte, 70000)
		case t30.Store:
			busy, _ := h.octet()
			in.Busy = busy%4 == 1
		case t30.Judge:
			in.Quality = t30.Quality{Rows: len(o.Data), BadRows: len(o.Data) % 3}
		case t30.Done:
			return o.Report, true
		}
	}
	return t30.Report{}, false
}

// frames of a script: a good final frame each.
func script(frames ...[]byte) []byte {
	var s []byte
	for _, f := range frames {
		s = append(s, 4, byte(len(f)-1), f[0])
		s = append(s, f[1:]...)
	}
	return s
}

func FuzzEngines(f *testing.F) {
	dcs := dis.Session{dis.Receive: 1, dis.Rate: dis.V29}.Append([]byte{byte(t30.DCS)})
	id := everything().Append([]byte{byte(t30.DIS)})
	f.Add(script(id, []byte{byte(t30.CFR)}, []byte{byte(t30.MCF)}, []byte{byte(t30.PPR), 1, 2, 3}))
	f.Add(append(script(dcs), 2, 0, 2, 3, 1, 2, 3, 4, 0, byte(t30.EOP), 4, 0, byte(t30.DCN)))
	f.Add(append(script([]byte{byte(t30.DTC), 0, 0x72}, []byte{byte(t30.CFR)}), 4, 0, byte(t30.MCF)))
	f.Add(append(script(append([]byte{byte(t30.DIS)}, 0, 0x73, 0x40), dcs), 2, 0, 2, 3, 1, 2, 3, 4, 0, byte(t30.EOP)))
	f.Add(script([]byte{byte(t30.PPS), 0, 0, 0, 7}, []byte{byte(t30.CTC), 0, 2}, []byte{byte(t30.EOR), 0x2E}))
	f.Fuzz(func(t *testing.T, s []byte) {
		limit := 20*len(s) + 2000
		for _, offer := range [][]t30.Offer{nil, {{Pages: 2}}, {{Pages: 1, Password: "x"}, {Pages: 1, Selection: "1"}}} {
			cfg := t30.ReceiverConfig{Station: "r", Own: everything(), Offers: offer}
			if _, ok := (&hostile{script: s}).drive(t30.NewReceiver(cfg), limit); !ok {
				t.Error("receiver does not end")
			}
		}
		poller := t30.NewSender(t30.SenderConfig{Station: "p", Own: everything(), Poll: &t30.Poll{Password: "x"}})
		if _, ok := (&hostile{script: s}).drive(poller, limit); !ok {
			t.Error("poller does not end")
		}
		send := t30.NewSender(t30.SenderConfig{Station: "s", Own: everything(), Pages: 3})
		r, ok := (&hostile{script: s}).drive(send, limit)
		if !ok {
			t.Error("sender does not end")
		}
		if r.Pages > 3 {
			t.Errorf("%d pages of 3 confirmed", r.Pages)
		}
	})
}

// A station that repeats itself for ever does not hold the line for ever.
func TestEndlessRepetition(t *testing.T) {
	dcs := dis.Session{dis.Receive: 1, dis.Rate: dis.V29}.Append([]byte{byte(t30.DCS)})
	ecm := dis.Session{dis.Receive: 1, dis.Rate: dis.V29, dis.ECM: 1}.Append([]byte{byte(t30.DCS)})
	id := everything().Append([]byte{byte(t30.DIS)})
	for name, s := range map[string][]byte{
		"DCS":         script(dcs),
		"DCS TCF":     append(script(dcs), 2, 0),
		"PPS":         append(append(script(ecm), 2, 0), script([]byte{byte(t30.PPS), 0, 0, 0, 7})...),
		"MPS":         script([]byte{byte(t30.MPS)}),
		"CRP":         script([]byte{byte(t30.CRP)}),
		"CTC":         script([]byte{byte(t30.CTC), 0, 2}),
		"not final":   {20, 0, byte(t30.TSI)},
		"noise":       {1, 0},
		"bad frames":  {3, 3, 0xFF, 0x13, 0x41},
		"DIS":         script(id),
		"DIS CFR":     script(id, []byte{byte(t30.CFR)}),
		"DIS CFR RNR": script(id, []byte{byte(t30.CFR)}, []byte{byte(t30.RNR)}),
		"DIS CFR PPR": script(id, []byte{byte(t30.CFR)}, append([]byte{byte(t30.PPR)}, make([]byte, 32)...)),
		"DIS FTT":     script(id, []byte{byte(t30.FTT)}),
		"DIS CFR RTN": script(id, []byte{byte(t30.CFR)}, []byte{byte(t30.RTN)}),
	} {
		receiver := t30.NewReceiver(t30.ReceiverConfig{Station: "r", Own: everything()})
		if _, ok := (&hostile{script: s, repeat: true}).drive(receiver, maxSteps); !ok {
			t.Errorf("%s: receiver does not end", name)
		}
		sender := t30.NewSender(t30.SenderConfig{Station: "s", Own: everything(), Pages: 3})
		if r, ok := (&hostile{script: s, repeat: true}).drive(sender, maxSteps); !ok || r.Pages > 0 {
			t.Errorf("%s: sender does not end or has counted %d pages", name, r.Pages)
		}
	}
}
