package desk

import (
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
	id := upload(t, d, s, "FAX of three")
	names, err := filepath.Glob(filepath.Join(d.uploads.dir, "upload-*"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if err := os.WriteFile(names[0], []byte("FAX of thr3e"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Submit(t.Context(), s, fax.Order{ID: "rotten", Upload: id, Number: "123"}); fax.KindOf(err) != fax.Invalid || !strings.Contains(err.Error(), "damaged") {
		t.Error(err)
	}
	if _, err := w.ledger.Job("rotten"); fax.KindOf(err) != fax.NotFound {
		t.Error("it is a job:", err)
	}
}
