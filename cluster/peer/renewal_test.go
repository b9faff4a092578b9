package peer

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestWhenToRenew(t *testing.T) {
	signed := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	end := signed.Add(certificateLife)
	day := 24 * time.Hour
	for _, c := range []struct {
		what string
		now  time.Time
		end  time.Time
		want Renewal
	}{
		{"just signed", signed, end, KeepIt},
		{"by a clock that is behind", signed.Add(-10 * time.Minute), end, KeepIt},
		{"long before", signed.Add(certificateLife/2 + 30*day), end, KeepIt},
		{"when two thirds are over", signed.Add(certificateLife * 2 / 3), end, ChangeKey},
		{"not done in time", end.Add(-nearEnd - day), end, ChangeKey},
		{"the end is near", end.Add(-nearEnd), end, SignAgain},
		{"switched off until after the end", end.Add(300 * day), end, SignAgain},
		{"an authority that ends soon, just signed", signed.Add(time.Minute), signed.Add(2 * time.Hour), KeepIt},
		{"an authority that ends at once", signed.Add(50 * time.Minute), signed.Add(time.Hour), KeepIt},
	} {
		if got := renewal(c.now, signed, c.end, "north"); got != c.want {
			t.Errorf("%s: %d, want %d", c.what, got, c.want)
		}
	}
	days := map[int]bool{}
	for _, name := range []string{"north", "south", "east", "west", "centre"} {
		at := changeTime(signed, end, name)
		if latest := signed.Add(certificateLife * 2 / 3); at.After(latest) || at.Before(latest.Add(-spread)) {
			t.Errorf("%s is renewed at %v", name, at)
		}
		days[at.YearDay()] = true
	}
	if len(days) < 3 {
		t.Errorf("nodes made together are renewed together: on the days %v", days)
	}
}

// A switch to a new key that is cut short anywhere leaves a node that has one
// key with its certificate, and the new one to go on with or in use.
func TestSwitchCutShort(t *testing.T) {
	north := found(t, "north")
	dir := t.TempDir()
	if err := north.Save(dir); err != nil {
		t.Fatal(err)
	}
	load := func() *Identity {
		t.Helper()
		id, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	before := north.Fingerprint()
	if err := north.Switch(dir); err == nil {
		t.Error("a switch to nothing")
	}
	if err := north.Prepare(dir); err != nil {
		t.Fatal(err)
	}
	next := north.Next()
	if err := north.Prepare(dir); err != nil || north.Next() != next || next == before || next == "" {
		t.Errorf("prepared %q, then %q, %v", next, north.Next(), err)
	}
	if id := load(); id.Fingerprint() != before || id.Next() != next {
		t.Errorf("after Prepare: %q, next %q", id.Fingerprint(), id.Next())
	}
	left, err := os.ReadFile(filepath.Join(dir, nextFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := load().own.save(filepath.Join(dir, lastFile)); err != nil { // cut short after the first step
		t.Fatal(err)
	}
	if id := load(); id.Fingerprint() != before || id.Next() != next {
		t.Errorf("cut short before: %q, next %q", id.Fingerprint(), id.Next())
	}
	if err := north.Switch(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, nextFile), left, filesMode); err != nil { // before the last one
		t.Fatal(err)
	}
	id := load()
	if id.Fingerprint() != next || id.Next() != "" || !id.Holds(before) || !id.Holds(next) {
		t.Errorf("cut short after: %q, next %q", id.Fingerprint(), id.Next())
	}
	if _, err := os.Stat(filepath.Join(dir, nextFile)); err == nil {
		t.Error("what is in use is still there as the next")
	}
}

// ended makes the certificate of a node one that has ended.
func ended(t *testing.T, id *Identity) {
	t.Helper()
	leaf, err := id.sign(id.own.key.Public().(ed25519.PublicKey), id.Name, time.Now().Add(-certificateLife-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	id.own.leaf = leaf
}

// A node whose certificate has ended while it was off comes back as the one
// that it was; until it has signed again nobody speaks with it.
func TestComesBackAfterTheEnd(t *testing.T) {
	var w town
	one := found(t, "north")
	north := w.settle(t, one)
	two := admit(t, one, "south")
	south := w.settle(t, two)
	ended(t, two)
	dir := t.TempDir()
	if err := two.Save(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := north.Dial(patience(t), "south", Request); err == nil {
		t.Error("a certificate that has ended was accepted of the node that was dialled")
	}
	conn, err := south.Dial(patience(t), "north", Request)
	if err == nil { // the refusal comes after the client's part of the handshake
		closed(t, conn)
		conn.Close()
	}
	if two.Due(time.Now()) != SignAgain {
		t.Fatal("a certificate that has ended is kept")
	}
	back, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	before := back.Fingerprint()
	if err := back.SignAgain(dir); err != nil {
		t.Fatal(err)
	}
	if back, err = Load(dir); err != nil || back.Due(time.Now()) != KeepIt || back.Fingerprint() != before {
		t.Fatalf("after signing again: %v", err)
	}
	south.Close()
	if south = w.settle(t, back); w.member("south", before) == false {
		t.Error("it is not known by the key that it had")
	}
	for _, m := range []struct {
		from *Mux
		to   string
	}{{north, "south"}, {south, "north"}} {
		conn, err := m.from.Dial(patience(t), m.to, Request)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
}

// While the members hear of a new key, each meets the node whose key it is by
// the one that it knows.
func TestOldKeyForThoseWhoKnowIt(t *testing.T) {
	var w town
	one := found(t, "north")
	north, two := w.settle(t, one), admit(t, one, "south")
	dir := t.TempDir()
	south := w.settle(t, two)
	if err := two.Prepare(dir); err != nil {
		t.Fatal(err)
	}
	before := two.Fingerprint()
	if err := two.Switch(dir); err != nil {
		t.Fatal(err)
	}
	meet := func(want string) {
		t.Helper()
		conn, err := north.Dial(patience(t), "south", Request)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if conn.fingerprint != want {
			t.Errorf("met by %.8s, want %.8s", conn.fingerprint, want)
		}
	}
	meet(before) // north has not heard of the new one
	if conn, err := south.Dial(patience(t), "north", Request); err == nil {
		closed(t, conn)
		conn.Close()
	}
	w.mu.Lock()
	w.members["south"] = two.Fingerprint()
	w.mu.Unlock()
	meet(two.Fingerprint())
	conn, err := south.Dial(patience(t), "north", Request)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
