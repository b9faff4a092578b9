package peer

import (
	"log/slog"
	"strings"
	"testing"
)

// settleAs is settle, for a node of another release.
func (w *town) settleAs(t *testing.T, id *Identity, v Versions) *Mux {
	t.Helper()
	m, err := Listen("127.0.0.1:0", Config{Identity: id, Member: w.member, Locate: w.locate, Versions: v, Logger: slog.New(slog.NewTextHandler(w, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.members[id.Name], w.addrs[id.Name] = id.Fingerprint(), m.Addr().String()
	return m
}

// Nodes of this release and of the next one speak what both know; with the one
// after that there is nothing in common, which both say.
func TestVersions(t *testing.T) {
	var w town
	one := found(t, "now")
	ports := map[string]*Mux{
		"now":   w.settle(t, one),
		"next":  w.settleAs(t, admit(t, one, "next"), Versions{Spoken.Min, Spoken.Max + 1}),
		"after": w.settleAs(t, admit(t, one, "after"), Versions{Spoken.Max + 1, Spoken.Max + 2}),
	}
	for _, c := range []struct {
		from, to string
		want     int // 0: refused
	}{
		{"now", "now", Spoken.Max}, {"now", "next", Spoken.Max}, {"next", "now", Spoken.Max},
		{"next", "after", Spoken.Max + 1}, {"after", "next", Spoken.Max + 1},
		{"now", "after", 0}, {"after", "now", 0},
	} {
		before := len(w.logged())
		conn, err := ports[c.from].Dial(patience(t), c.to, Request)
		if c.want == 0 {
			if err == nil || !strings.Contains(err.Error(), "upgrade the older node") {
				t.Errorf("%s dials %s: %v", c.from, c.to, err)
			}
			waitFor(t, func() bool { return strings.Contains(w.logged()[before:], "upgrade the older node") })
			continue
		}
		if err != nil {
			t.Fatalf("%s dials %s: %v", c.from, c.to, err)
		}
		defer conn.Close()
		in, err := ports[c.to].Listener(Request).Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := in.(*Conn).Version; conn.Version != c.want || got != c.want {
			t.Errorf("%s speaks %d with %s, which speaks %d; want %d", c.from, conn.Version, c.to, got, c.want)
		}
	}
}
