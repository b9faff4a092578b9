package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"go.etcd.io/bbolt"
)

func TestSnapshotRestore(t *testing.T) {
	l, other := fresh(t), fresh(t)
	must(t, l, account("clerk", fax.Individual))
	must(t, l, job("j", "clerk", 1))
	snap, err := l.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	want := dump(t, l, true)
	must(t, l, job("k", "clerk", 1)) // later than the snapshot
	var stream bytes.Buffer
	if _, err := snap.WriteTo(&stream); err != nil {
		t.Fatal(err)
	}
	snap.Release()
	snap.Release()
	bell, stop := other.Watch()
	defer stop()
	for name, bad := range map[string][]byte{
		"cut":     stream.Bytes()[:stream.Len()-1],
		"changed": append(append([]byte(nil), stream.Bytes()[:5000]...), append([]byte{^stream.Bytes()[5000]}, stream.Bytes()[5001:]...)...),
		"foreign": []byte(strings.Repeat("x", 100)),
		"huge":    append([]byte(snapshotMagic), 0xff, 0, 0, 0, 0, 0, 0, 0),
		"empty":   nil,
	} {
		before := dump(t, other, true)
		if err := other.Restore(bytes.NewReader(bad)); err == nil {
			t.Errorf("a snapshot that is %s was taken", name)
		}
		if dump(t, other, true) != before {
			t.Errorf("a snapshot that is %s changed the state", name)
		}
	}
	if err := other.Restore(&stream); err != nil {
		t.Fatal(err)
	}
	if got := dump(t, other, true); got != want {
		t.Errorf("restored:\n%s\nwant\n%s", got, want)
	}
	if index, _ := other.Applied(); index != 2 {
		t.Errorf("restored at index %d", index)
	}
	select {
	case <-bell:
	default:
		t.Error("no bell after a restore")
	}
}

func TestOpenAgainAndClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openAt(t, path)
	must(t, l, account("clerk", fax.Individual))
	want := dump(t, l, true)
	index, chain := l.Applied()
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accounts(); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed ledger is read with %v", err)
	}
	if _, err := l.ApplyBatch(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed ledger applies with %v", err)
	}
	l = openAt(t, path)
	if i, c := l.Applied(); i != index || c != chain || dump(t, l, true) != want {
		t.Errorf("opened again at %d, closed at %d", i, index)
	}
	if err := l.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(inMeta)).Put([]byte(keyFormat), []byte{0, formatNumber + 1})
	}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a ledger of a newer format was opened")
	}
}

// Readers, snapshots and restores run together; -race watches.
func TestReadersWhileRestoring(t *testing.T) {
	l := fresh(t)
	must(t, l, account("clerk", fax.Individual))
	must(t, l, job("j", "clerk", 1))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				jobs, err := l.Jobs(JobFilter{Owner: "clerk"})
				if err != nil || len(jobs) != 1 {
					t.Errorf("jobs %v, %v", jobs, err)
					return
				}
			}
		})
	}
	for range 5 {
		snap, err := l.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		var stream bytes.Buffer
		_, err = snap.WriteTo(&stream)
		snap.Release()
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Restore(&stream); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	readers.Wait()
}

// The chain value of each of the last entries is remembered, until a snapshot
// of another history takes the state's place.
func TestChainAt(t *testing.T) {
	l, other := openAt(t, filepath.Join(t.TempDir(), "one")), openAt(t, filepath.Join(t.TempDir(), "other"))
	var chains [][32]byte
	for i := range uint64(3) {
		data, err := Encode(Note{Activity: fax.Activity{At: 1, Who: "clerk", What: "look", Object: fmt.Sprint(i)}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.ApplyBatch([]Entry{{Index: 10 + 2*i, Data: data}}); err != nil {
			t.Fatal(err)
		}
		_, chain := l.Applied()
		chains = append(chains, chain)
	}
	for i, want := range chains {
		if got, ok := l.ChainAt(10 + 2*uint64(i)); !ok || got != want {
			t.Errorf("at entry %d: %x, %v; want %x", 10+2*i, got, ok, want)
		}
	}
	for _, index := range []uint64{9, 11, 15, 10 + trailLength} {
		if got, ok := l.ChainAt(index); ok {
			t.Errorf("at entry %d, which there is not: %x", index, got)
		}
	}
	data, err := Encode(Note{Activity: fax.Activity{At: 1, Who: "clerk", What: "print"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.ApplyBatch([]Entry{{Index: 12, Data: data}, {Index: 20, Data: data}}); err != nil {
		t.Fatal(err)
	}
	s, err := other.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	_, err = s.WriteTo(&stream)
	s.Release()
	if err := errors.Join(err, l.Restore(&stream)); err != nil {
		t.Fatal(err)
	}
	if got, ok := l.ChainAt(12); ok {
		t.Errorf("at entry 12 of the history that is no more: %x", got)
	}
	if _, ok := l.ChainAt(20); !ok {
		t.Error("the place where the snapshot stands is not known")
	}
}
