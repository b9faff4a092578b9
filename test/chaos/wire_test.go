//go:build linux

package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMarks(t *testing.T) {
	file, err := letter(0xfeedface12345678, 3)
	if err != nil {
		t.Fatal(err)
	}
	want := []mark{{0xfeedface12345678, 0}, {0xfeedface12345678, 1}, {0xfeedface12345678, 2}}
	if got, err := marksOf(file); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	page := want[0].print()
	page.Row(bandRows / 2)[3] ^= 0xff
	page.Row(bandRows / 2)[4] ^= 0xff
	if m, ok := readMark(page); ok {
		t.Errorf("a damaged page is read as %v", m)
	}
}

func TestArrival(t *testing.T) {
	now := time.Unix(1000, 0)
	chance := rand.New(rand.NewPCG(1, 1))
	good := &lane{}
	if at := good.arrival(now, 1500, chance); !at.Equal(now) {
		t.Errorf("on a good line a packet takes %v", at.Sub(now))
	}
	slow := &lane{condition: condition{rate: 12000}}
	for n := range 3 {
		if at := slow.arrival(now, 1500, chance); at.Sub(now) != time.Duration(n+1)*time.Second {
			t.Errorf("packet %d at 12 kbit/s takes %v", n, at.Sub(now))
		}
	}
	far := &lane{condition: condition{delay: 50 * time.Millisecond, jitter: 20 * time.Millisecond}}
	last := now
	for range 200 {
		at := far.arrival(now, 100, chance)
		if at.Before(last) || at.Sub(now) < 30*time.Millisecond || at.Sub(now) > 70*time.Millisecond {
			t.Errorf("a packet comes after %v, the one before after %v", at.Sub(now), last.Sub(now))
		}
		last = at
	}
}

func TestReadRoute(t *testing.T) {
	packet := make([]byte, 28)
	packet[0], packet[3], packet[9] = 0x45, 28, protocolUDP
	copy(packet[12:], []byte{10, 77, 0, 1, 10, 77, 0, 2})
	if r, ok := readRoute(packet); !ok || r != (route{hostAddr(1), hostAddr(2), protocolUDP}) {
		t.Errorf("%+v, %v", r, ok)
	}
	packet[0] = 0x60
	for _, bad := range [][]byte{nil, packet, packet[:19], {0x45, 0, 0xff, 0xff}} {
		if r, ok := readRoute(bad); ok {
			t.Errorf("%x is read as %+v", bad, r)
		}
	}
}

func TestChoose(t *testing.T) {
	all := menu()
	if got, err := choose(all, ""); err != nil || len(got) != len(all) {
		t.Errorf("no list: %d of %d, %v", len(got), len(all), err)
	}
	got, err := choose(all, "kill-leader,9")
	if err != nil || len(got) != 5 || got[0].name != "kill-leader" || got[1].row != 9 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := choose(all, "earthquake"); err == nil || !strings.Contains(err.Error(), "-list") {
		t.Errorf("an unknown fault: %v", err)
	}
	drawn := map[string]bool{}
	chance := rand.New(rand.NewPCG(1, 1))
	for range 5000 {
		drawn[draw(all, chance).name] = true
	}
	if len(drawn) != len(all) {
		t.Errorf("%d of %d faults are ever drawn", len(drawn), len(all))
	}
}
