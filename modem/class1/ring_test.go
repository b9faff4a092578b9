package class1

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/modem"
)

// Who calls, and whom, as modems and adapters tell it.
func TestCallerIdentification(t *testing.T) {
	said := func(lines ...string) string { return "\r\n" + strings.Join(lines, "\r\n\r\n") + "\r\n" }
	for name, c := range map[string]struct {
		said string
		want modem.Ring
		took time.Duration // on a line where no second RING comes
	}{
		"nothing":             {said("RING"), modem.Ring{}, 4 * time.Second},
		"a second ring":       {said("RING", "RING"), modem.Ring{}, 0},
		"number and name":     {said("RING", "DATE = 1123", "TIME = 1927", "NMBR = 0301", "NAME = SMITH J"), modem.Ring{Caller: "0301", Name: "SMITH J"}, moreCaller},
		"name first":          {said("RING", "NAME=SMITH", "NMBR=0301"), modem.Ring{Caller: "0301", Name: "SMITH"}, moreCaller},
		"number dialled":      {said("RING", "NMBR=0301", "NDID=0302"), modem.Ring{Caller: "0301", Called: "0302"}, 0},
		"DNIS":                {said("RING", "CALLER NUMBER: 0301", "DNIS=0302"), modem.Ring{Caller: "0301", Called: "0302"}, 0},
		"as mobiles do":       {said("RING", `+CLIP: "+4930301",145,"",0`, "RING"), modem.Ring{Caller: "+4930301"}, 0},
		"private":             {said("RING", "NMBR = P", "NAME = PRIVATE", "RING"), modem.Ring{}, 0},
		"out of area":         {said("RING", "NMBR = O", "RING"), modem.Ring{}, 0},
		"before the ring":     {said("NMBR=0301", "NAME=SMITH", "RING"), modem.Ring{Caller: "0301", Name: "SMITH"}, moreCaller},
		"distinctive":         {said("RING B", "NMBR=0301", "RING B"), modem.Ring{Caller: "0301", Pattern: "B", Called: "0399"}, 0},
		"distinctive, late":   {said("RING", "NMBR=0301", "RING2"), modem.Ring{Caller: "0301", Pattern: "2"}, 0},
		"distinctive and DID": {said("RING B", "NDID=0302"), modem.Ring{Pattern: "B", Called: "0302"}, 0},
		"no end of it":        {said("RING", "NAME="+strings.Repeat("\xff", 200), "RING"), modem.Ring{Name: "?"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				port, done := play(t, append(opening(), script{{"", c.said}}...))
				defer done()
				p, err := Open(t.Context(), port, Config{Rings: map[string]string{"B": "0399"}})
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				begun := time.Now()
				if got, err := p.WaitRing(t.Context()); err != nil || got != c.want {
					t.Errorf("%+v, %v; want %+v", got, err, c.want)
				}
				if took := time.Since(begun); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
			})
		})
	}
}

// What was told before a call that never rang is not of the next one.
func TestEarlyIdentificationIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		port, done := play(t, append(opening(), script{{"", "\r\nNMBR=0301\r\n"}, {classQuery, classAnswer + "\r\nRING\r\n\r\nRING\r\n"}}...))
		defer done()
		p, err := Open(t.Context(), port, Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if got, err := p.WaitRing(t.Context()); err != nil || got != (modem.Ring{}) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
