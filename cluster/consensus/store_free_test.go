package consensus

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
)

// longEntry is the size of the entries of long logs, in octets.
const longEntry = 32 << 10

// storeLong appends entries from first to last.
func storeLong(t *testing.T, s logStore, first, last uint64) {
	t.Helper()
	for first <= last {
		var batch []*raft.Log
		for ; first <= last && len(batch) < 64; first++ {
			batch = append(batch, &raft.Log{Index: first, Term: 1, Data: longData(first)})
		}
		if err := s.StoreLogs(batch); err != nil {
			t.Fatal(err)
		}
	}
}

func longData(index uint64) []byte {
	return bytes.Repeat([]byte{byte(index), byte(index >> 8)}, longEntry/2)
}

func reopen(t *testing.T, s logStore, path string) logStore {
	t.Helper()
	if s != nil {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := openStore(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A log that is opened again has lost nothing, and what it writes takes the
// room of what was removed before.
func TestFreePagesAreUsedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "raft.db")
	s := reopen(t, nil, path)
	storeLong(t, s, 1, 512)
	if err := s.DeleteRange(1, 400); err != nil {
		t.Fatal(err)
	}
	var size int64
	for round := range uint64(3) {
		s = reopen(t, s, path)
		storeLong(t, s, 513+round*100, 612+round*100)
		if err := s.DeleteRange(401+round*100, 500+round*100); err != nil {
			t.Fatal(err)
		}
		if f, err := os.Stat(path); err != nil {
			t.Fatal(err)
		} else if size != 0 && f.Size() > size {
			t.Errorf("round %d: the file has grown from %d to %d octets", round, size, f.Size())
		} else {
			size = f.Size()
		}
	}
	s = reopen(t, s, path)
	defer s.Close()
	first, err := s.FirstIndex()
	if err != nil || first != 701 {
		t.Errorf("it begins at %d, want 701: %v", first, err)
	}
	last, err := s.LastIndex()
	if err != nil || last != 812 {
		t.Errorf("it ends at %d, want 812: %v", last, err)
	}
	for index := first; index <= last; index++ {
		var l raft.Log
		if err := s.GetLog(index, &l); err != nil || !bytes.Equal(l.Data, longData(index)) {
			t.Errorf("entry %d has %d octets and is another one: %v", index, len(l.Data), err)
		}
	}
}
