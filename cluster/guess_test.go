package cluster

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/peer"
	"golang.org/x/time/rate"
)

func from(ip string) netip.Prefix {
	return origin(&net.TCPAddr{IP: net.ParseIP(ip), Port: 9})
}

func TestGuessesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuessing()
		notes := 0
		for i := range guessesHere {
			if !g.may(from("192.0.2.1")) {
				t.Fatalf("try %d is refused", i)
			}
			if g.wrong(from("192.0.2.1")) {
				notes++
			}
		}
		if g.may(from("192.0.2.1")) {
			t.Error("guessing goes on")
		}
		if notes != guessNotes || g.wrong(from("192.0.2.1")) {
			t.Errorf("%d are put on record, then more", notes)
		}
		if !g.may(from("192.0.2.2")) || !g.may(from("2001:db8::1")) {
			t.Error("others must wait for it")
		}
		for range guessesHere { // one line has many addresses
			g.wrong(from("2001:db8::2"))
		}
		if g.may(from("2001:db8::1")) || !g.may(from("2001:db8:0:1::1")) {
			t.Error("an IPv6 line is not counted as one")
		}
		time.Sleep(2 * time.Second)
		if !g.may(from("192.0.2.1")) {
			t.Error("it is locked out for good")
		}
		for i := range 2 * maxGuessers {
			g.wrong(from(fmt.Sprintf("198.51.%d.%d", i/250, i%250)))
		}
		if g.may(from("203.0.113.1")) || len(g.from) > maxGuessers {
			t.Errorf("%d addresses are remembered, guessing from many goes on", len(g.from))
		}
	})
}

// Who guesses tokens is on record, and hears no answer once he may not try.
func TestGuessesAreRecorded(t *testing.T) {
	t.Parallel()
	w := found(t)
	north := w.nodes["north"]
	addr := north.PeerAddr().String()
	if err := Join(patience(t), t.TempDir(), newToken(north.id.Authority()).String(), addr, Options{Name: "thief"}); fax.KindOf(err) != fax.NotFound {
		t.Fatalf("a guess: %v", err)
	}
	tries := newGuessing()
	tries.from[netip.Prefix{}] = rate.NewLimiter(0, 0)
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		question, _ := json.Marshal(asking{Node: fax.Node{Name: "thief"}})
		peer.WriteFrame(near, question)
	}()
	served := make(chan error, 1)
	go func() { served <- north.serveJoin(t.Context(), far, tries) }()
	frame, err := peer.ReadFrame(near, maxAdmitted)
	var answer admitted
	if err == nil {
		err = json.Unmarshal(frame, &answer)
	}
	if err != nil || fax.KindOf(answer.Error) != fax.Busy {
		t.Errorf("one who has tried too often: %+v, %v", answer.Error, err)
	}
	if err := <-served; fax.KindOf(err) != fax.Busy {
		t.Errorf("the log says %v", err)
	}
	found := 0
	activity, err := north.Ledger().Activity(0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range activity {
		if a.What == "refuse-join" && a.Object == "thief" && strings.Contains(a.Detail, "127.0.0.1") && strings.Contains(a.Detail, "unknown") {
			found++
		}
	}
	if found == 0 {
		t.Error("guesses are not on record")
	}
}
