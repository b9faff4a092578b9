package class1_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/modem/class1"
	"github.com/faxmesh/faxmesh/modem/exchange"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
)

// A page that has lines and no end is given up after an hour. What was heard of
// it is no page.
func TestPageWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := exchange.New(exchange.Config{})
		defer x.Close()
		caller, called := connect(t, x, class1.Config{})
		said := make(chan error, 1)
		const rate = line.V27ter2400
		rows := bytes.Repeat(append(make([]byte, 1200), 0xFF), 960) // an EOL every 4 s, for 64 minutes
		go func() {
			said <- caller.Say(t.Context(), line.Signal{Kind: line.Page, Rate: rate, Data: rows})
		}()
		before := called.Now()
		h, err := called.Hear(t.Context(), line.Listen{Rate: rate, Want: line.Page, Timeout: 5 * time.Second})
		if took := called.Now() - before; err != nil || h.Kind != line.Noise || took < time.Hour || took > time.Hour+time.Minute {
			t.Errorf("heard kind %v, %v after %v", h.Kind, err, took)
		}
		if err := <-said; err != nil {
			t.Error(err)
		}
	})
}

// A page that comes where a partial page was agreed on is handed on as it is; of
// one with frames, only they.
func TestPageInPlaceOfBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := exchange.New(exchange.Config{})
		defer x.Close()
		caller, called := connect(t, x, class1.Config{})
		page := bytes.Repeat([]byte{0x00, 0x80, 0xB2, 0x59, 0x01}, 400)
		frame := hdlc.Append(nil, false, 0x06, 0, 1, 2, 3)
		for _, s := range []line.Signal{
			{Kind: line.Page, Rate: line.V29x9600, Data: page},
			{Kind: line.Block, Rate: line.V29x9600, Frames: [][]byte{frame}},
		} {
			said := make(chan error, 1)
			go func() { said <- caller.Say(t.Context(), s) }()
			h, err := called.Hear(t.Context(), line.Listen{Rate: line.V29x9600, Want: line.Block, Timeout: 5 * time.Second})
			if err != nil || h.Kind != line.Image || len(h.Frames) != len(s.Frames) {
				t.Fatalf("heard %+v, %v", h, err)
			}
			if whole := len(h.Data) >= len(s.Data); !whole || s.Data == nil && h.Data != nil {
				t.Errorf("%d octets heard of %d", len(h.Data), len(s.Data))
			}
			if err := <-said; err != nil {
				t.Fatal(err)
			}
		}
	})
}
