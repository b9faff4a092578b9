package roaming

import (
	"bytes"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// sound checks all that is kept about records against the records: each write
// that is seen in one is in the log and no other, deletions are listed.
func sound(t fails, s *Store) {
	t.Helper()
	log, gone := map[string]string{}, map[string]bool{}
	err := s.db.View(func(tx *bbolt.Tx) error {
		err := tx.Bucket(inRecords).ForEach(func(k, v []byte) error {
			r, err := decodeRecord(v)
			for _, m := range r.marks() {
				log[string(m.octets())] = string(k)
			}
			if r.Gone != (Mark{}) {
				gone[string(append(octets(uint64(r.Gone.Stamp)), k...))] = true
			}
			return err
		})
		if err != nil {
			return err
		}
		if n := tx.Bucket(inLog).Inspect().KeyN; n != len(log) {
			t.Fatalf("the log names %d writes, there are %d", n, len(log))
		}
		for m, k := range log {
			if !bytes.Equal(tx.Bucket(inLog).Get([]byte(m)), []byte(k)) {
				t.Fatalf("the log has a write of %q elsewhere", k)
			}
		}
		if n := tx.Bucket(inGone).Inspect().KeyN; n != len(gone) {
			t.Fatalf("%d deletions are listed, there are %d", n, len(gone))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
}

// TestForgottenOnOne: a deletion that one node has forgotten already makes no
// difference between two.
func TestForgottenOnOne(t *testing.T) {
	a, b := pair(t)
	write(t, a, noon, "1", "name", "n")
	write(t, a, noon, "1")
	write(t, a, noon, "1", "fax", "5")
	pull(t, b, a, noon)
	if n, err := a.Sweep(noon.Add(KeepGone+time.Hour), func(Mark) bool { return true }); n != 1 || err != nil {
		t.Fatalf("%d deletions are forgotten: %v", n, err)
	}
	alike(t, a, b)
	pull(t, a, b, noon)
	pull(t, b, a, noon)
	alike(t, a, b)
}
