package desk

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// TestSubmitReady: what is a fax already is kept once, as what it is.
func TestSubmitReady(t *testing.T) {
	d, w := setUp(t)
	s := login(t, d, "clerk")
	j, err := d.Submit(t.Context(), s, fax.Order{ID: "ready", Upload: upload(t, d, s, "FAX of three"), Number: "123", Title: "t"})
	if err != nil {
		t.Fatal(err)
	}
	want := j.Source
	want.Pages = 3
	if j.Fax != want || !w.blobs.Has(j.Source.Hash) {
		t.Errorf("the pages are %+v of the document %+v", j.Fax, j.Source)
	}
	if other := submit(t, d, s, "other"); other.Fax.Hash == other.Source.Hash || other.Fax.Pages != 1 {
		t.Errorf("converted: the pages are %+v of the document %+v", other.Fax, other.Source)
	}
}

// TestUploadRots: what has become of an upload on the disk is not sent for what
// was handed in.
func TestUploadRots(t *testing.T) {
	d, w := setUp(t)
	s := login(t, d, "clerk")
	id := upload(t, d, s, "FAX"+strings.Repeat(".", MaxUploadMemory))
	names, err := filepath.Glob(filepath.Join(d.uploads.dir, "upload-*"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if err := os.WriteFile(names[0], []byte("FAX"+strings.Repeat(",", MaxUploadMemory)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Submit(t.Context(), s, fax.Order{ID: "rotten", Upload: id, Number: "123"}); fax.KindOf(err) != fax.Invalid || !strings.Contains(err.Error(), "damaged") {
		t.Error(err)
	}
	if _, err := w.ledger.Job("rotten"); fax.KindOf(err) != fax.NotFound {
		t.Error("it is a job:", err)
	}
}

// TestSpool: octets are the same in memory and on the disk, also after the
// spool is gone, and leave no file behind.
func TestSpool(t *testing.T) {
	for _, size := range []int{0, 1, MaxUploadMemory, MaxUploadMemory + 1, 3 * MaxUploadMemory} {
		sp := &spool{dir: t.TempDir()}
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(i * 7 >> 3)
		}
		for rest := want; len(rest) > 0; {
			n, err := sp.Write(rest[:min(len(rest), 50_000)])
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		r, err := sp.open()
		if err != nil {
			t.Fatal(err)
		}
		files, err := os.ReadDir(sp.dir)
		if onDisk := size > MaxUploadMemory; err != nil || (len(files) == 1) != onDisk {
			t.Errorf("%d octets: files %v, %v", size, files, err)
		}
		sp.remove()
		if got, err := io.ReadAll(io.NewSectionReader(r, 0, int64(size)+1)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d octets: read %d, %v", size, len(got), err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if files, err := os.ReadDir(sp.dir); err != nil || len(files) != 0 {
			t.Errorf("%d octets leave %v, %v", size, files, err)
		}
		if _, err := sp.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
			t.Errorf("written after the end: %v", err)
		}
	}
}
