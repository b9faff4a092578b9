package roaming

import "testing"

// TestNothingNew: comparing notes costs no write once both are alike; what is
// only known, without a record, is noted all the same.
func TestNothingNew(t *testing.T) {
	a, b := pair(t)
	write(t, a, noon, "1", "name", "Anna")
	write(t, a, noon, "1", "name", "Anne")
	compare := func() int64 {
		t.Helper()
		v, err := b.Vector()
		if err != nil {
			t.Fatal(err)
		}
		p, err := a.Page(noon, Ask{Vector: v})
		if err != nil {
			t.Fatal(err)
		}
		stats := b.db.Stats()
		before := stats.TxStats.GetWrite()
		if m, err := b.Merge(noon, p); err != nil || m.Held == nil {
			t.Fatal(m, err)
		}
		stats = b.db.Stats()
		return stats.TxStats.GetWrite() - before
	}
	if compare() == 0 {
		t.Error("what is new is not written")
	}
	for range 3 {
		if n := compare(); n != 0 {
			t.Errorf("nothing new costs %d writes", n)
		}
	}
	own, err := a.Vector()
	if err != nil {
		t.Fatal(err)
	}
	for o := range own {
		own[o] += 3 // of which no record has anything left
	}
	if _, err := b.Merge(noon, Page{Vector: own, Covered: own}); err != nil {
		t.Fatal(err)
	}
	if v, err := b.Vector(); err != nil || v.Behind(own) {
		t.Errorf("what is known is not noted: %v, want %v, %v", v, own, err)
	}
}
