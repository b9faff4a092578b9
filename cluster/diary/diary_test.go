package diary

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func command(t testing.TB, n, length int) []byte {
	t.Helper()
	data, err := ledger.Encode(ledger.Note{Activity: fax.Activity{Object: fmt.Sprint(n), Detail: string(bytes.Repeat([]byte("x"), length))}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func nothing(string) (uint64, error) { return 1, nil }

func openAt(t testing.TB, path string, imported func(string) (uint64, error)) *Diary {
	t.Helper()
	d, err := Open(path, "north", imported, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// TestEachOnce: whatever is lost or repeated on the way, and however often the
// node dies, a ledger has each command once, in order.
func TestEachOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "diary")
	l, err := ledger.Open(filepath.Join(t.TempDir(), "ledger"), quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	index := uint64(0)
	propose := func(c ledger.Import) {
		t.Helper()
		data, err := ledger.Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		index++
		r, err := l.ApplyBatch([]ledger.Entry{{Index: index, Data: data}})
		if err != nil || r[0].Err != nil {
			t.Fatal(err, r[0].Err)
		}
	}
	imported := func(era string) (uint64, error) { return l.Imported("north", era) }
	const all = 330
	written := 0
	for life := 0; written < all || life < 8; life++ {
		d := openAt(t, path, imported)
		for range 70 {
			if written < all {
				if err := d.Append(command(t, written, 200), false); err != nil {
					t.Fatal(err)
				}
				written++
			}
		}
		for try := range 3 {
			batch, ok := d.Batch(1)
			if !ok {
				break
			}
			propose(batch)
			if try > 0 { // an answer got lost, and the batch was proposed again
				propose(batch)
				d.Taken(batch)
				d.Taken(batch)
			}
		}
		if life%3 == 2 {
			if _, err := d.Clear(); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	d := openAt(t, path, imported)
	for {
		batch, ok := d.Batch(1)
		if !ok {
			break
		}
		propose(batch)
		d.Taken(batch)
	}
	if empty, err := d.Clear(); !empty || err != nil || d.Next() != 1 {
		t.Errorf("cleared %v, %v, next %d", empty, err, d.Next())
	}
	n := 0
	for a, err := range l.WholeActivity() {
		if err != nil || a.Object != fmt.Sprint(n) {
			t.Fatalf("entry %d is %+v, %v", n, a, err)
		}
		n++
	}
	if n != all {
		t.Errorf("%d entries of %d", n, all)
	}
}

// TestFull: the end of the file is kept for what has happened already.
func TestFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "diary")
	d := openAt(t, path, nothing)
	d.most = Reserve + 2<<20
	long := bytes.Repeat([]byte{7}, 60<<10)
	wishes, ends := 0, 0
	for ; ; wishes++ {
		if err := d.Append(long, false); err != nil {
			if !errors.Is(err, ErrFull) {
				t.Fatal(err)
			}
			break
		}
	}
	for ; ; ends++ {
		if err := d.Append(long, true); err != nil {
			if !errors.Is(err, ErrFull) {
				t.Fatal(err)
			}
			break
		}
	}
	if least := Reserve/len(long) - 2; ends < least || d.Size() > d.most {
		t.Errorf("%d wishes and %d ends in %d octets, want %d ends at least", wishes, ends, d.Size(), least)
	}
	if first, pending := d.Pending(); first != 1 || len(pending) != wishes+ends {
		t.Errorf("%d pending from %d", len(pending), first)
	}
}

// TestBatchFits: a batch is never longer than the ledger takes.
func TestBatchFits(t *testing.T) {
	d := openAt(t, filepath.Join(t.TempDir(), "diary"), nothing)
	for n, length := range []int{1, 900, 1000} {
		for range 80 {
			if err := d.Append(command(t, n, length), false); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := d.Append(bytes.Repeat([]byte{9}, ledger.MaxCommand), false); err != nil {
		t.Fatal(err)
	}
	batches := 0
	for ; ; batches++ {
		batch, ok := d.Batch(1)
		if !ok {
			break
		}
		if _, err := ledger.Encode(batch); err != nil {
			t.Fatal(err)
		}
		d.Taken(batch)
	}
	if batches < 4 || batches > 20 {
		t.Errorf("%d batches", batches)
	}
}

// TestStrangeFiles: what is no diary is not taken for one.
func TestStrangeFiles(t *testing.T) {
	for name, records := range map[string][]string{
		"short": {"too short"}, "gap": {"0123456789abcdef\x00\x00\x00\x00\x00\x00\x00\x01c", "0123456789abcdef\x00\x00\x00\x00\x00\x00\x00\x03c"},
		"two eras": {"0123456789abcdef\x00\x00\x00\x00\x00\x00\x00\x01c", "0123456789abcdeF\x00\x00\x00\x00\x00\x00\x00\x02c"},
	} {
		path := filepath.Join(t.TempDir(), "diary")
		d := openAt(t, path, nothing)
		for _, r := range records {
			if err := d.journal.Append([]byte(r)); err != nil {
				t.Fatal(err)
			}
		}
		d.Close()
		if d, err := Open(path, "north", nothing, quiet); err == nil {
			d.Close()
			t.Errorf("%s was taken", name)
		}
	}
	path := filepath.Join(t.TempDir(), "diary")
	if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, "north", nothing, quiet); err == nil {
		t.Error("hello is a diary")
	}
}
