package t30_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
	lt "github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/t30"
)

// released is how long after the end of its DCN the engine goes on hook.
func released(p *peer, dcn lt.Piece) time.Duration {
	p.t.Helper()
	_, ok, err := p.raw.Take(context.Background(), dcn.End+time.Minute)
	if ok || !errors.Is(err, line.ErrHungUp) {
		p.t.Fatalf("behind its DCN the engine goes on: %v", err)
	}
	return p.raw.Now() - dcn.End
}

// Nothing answers DCN, so who has said it has nothing to wait for.
func TestHangUpBehindDCN(t *testing.T) {
	for _, linger := range []time.Duration{0, 900 * time.Millisecond} {
		c := plainCall(3000)
		c.linger = linger
		c.against(t, lt.Called, func(p *peer) {
			p.answerCall(t30.EOP)
			p.say(t30.MCF)
			if got := released(p, p.expect(t30.DCN, soon)[0]); got != linger {
				t.Errorf("the sender hangs up %v after DCN, want %v", got, linger)
			}
		})
		c.against(t, lt.Caller, func(p *peer) {
			p.expect(t30.DIS, soon)
			p.dcs(session(t, everything(), line.V29x9600))
			p.expect(t30.CFR, soon)
			if got := released(p, p.expect(t30.DCN, 10*time.Second)[0]); got != linger {
				t.Errorf("the receiver hangs up %v after DCN, want %v", got, linger)
			}
		})
	}
}

// Who hears DCN hangs up at once.
func TestHangUpAtDCN(t *testing.T) {
	plainCall(3000).against(t, lt.Caller, func(p *peer) {
		s := p.setUp(plain, line.V29x9600)
		p.page(s, octets(1, 2000))
		p.say(t30.EOP)
		p.expect(t30.MCF, soon)
		p.say(t30.DCN)
		said := p.raw.Now()
		if _, ok, err := p.raw.Take(context.Background(), said+time.Minute); ok || !errors.Is(err, line.ErrHungUp) {
			t.Fatalf("behind DCN the engine goes on: %v", err)
		}
		if took := p.raw.Now() - said; took > 0 {
			t.Errorf("it hangs up %v after DCN", took)
		}
	})
}
