package cluster

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/room"
)

// holding are the files below a directory that hold some text.
func holding(t *testing.T, dir, text string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// recorded reports whether the activity record has an entry.
func recorded(t *testing.T, c *Cluster, what, object string) bool {
	t.Helper()
	entries, err := c.Ledger().Activity(0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range entries {
		if a.What == what && a.Object == object && a.Who == c.Name() {
			return true
		}
	}
	return false
}

// Nothing of a document is on a node's disk in the clear; a damaged one is put
// on record; without its key a node does not start, and says why.
func TestDocumentsAtRest(t *testing.T) {
	t.Parallel()
	const text = "the patient is to be told on Monday"
	w := found(t)
	north, dir := w.nodes["north"], w.dirs["north"]
	w.propose("north", "reception")
	doc, _, err := north.Blobs().Put(patience(t), strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if files := holding(t, dir, text); len(files) > 0 {
		t.Errorf("in the clear in %v", files)
	}
	file := filepath.Join(dir, ownDir, blobDir, doc.Hash[:2], doc.Hash[2:4], doc.Hash+".sealed")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := north.Blobs().Open(patience(t), doc.Hash)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 10)); err == nil {
		t.Error("a damaged document was given out")
	}
	r.Close()
	waitFor(t, "the damage is on record", func() bool { return recorded(t, north, "document-damaged", doc.Hash) })
	if err := north.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, ownDir, blobKey)); err != nil {
		t.Fatal(err)
	}
	if c, err := Open(t.Context(), Options{Dir: dir, PeerListen: "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), "backup") {
		if c != nil {
			c.Close()
		}
		t.Errorf("started without the key: %v", err)
	}
}

// What a record names, or will when the ledger has heard of it, is known to be
// needed.
func TestRecordsOfDocuments(t *testing.T) {
	t.Parallel()
	w := found(t)
	north := w.nodes["north"]
	hash := func(c string) string { return strings.Repeat(c, 64) }
	w.propose("north", "reception")
	_, err := north.Propose(patience(t), ledger.Receive{Fax: fax.ReceivedFax{ID: "aa", Node: "north", Line: "1", Fax: fax.Document{Hash: hash("b"), Size: 1, Pages: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	known := func(c string) bool {
		t.Helper()
		named, err := records{north}.Named(hash(c))
		if err != nil {
			t.Fatal(err)
		}
		listed := false
		last := ""
		for h, err := range (records{north}).Needed() {
			if err != nil || h <= last {
				t.Fatalf("%.4s after %.4s, %v", h, last, err)
			}
			listed, last = listed || h == hash(c), h
		}
		if named != listed {
			t.Errorf("%s is named: %v, listed: %v", c, named, listed)
		}
		return named
	}
	if !known("b") || known("a") {
		t.Error("the ledger's documents are not known")
	}
	if err := (records{north}).Confirm(patience(t), "none"); err != nil {
		t.Error(err)
	}
	if !recorded(t, north, "documents-removed", "north") {
		t.Error("a removal is not on record")
	}
	north.crossed(room.Ample, room.Scarce, room.Usage{Used: 9 << 20})
	waitFor(t, "the alarm is on record", func() bool { return recorded(t, north, "disk-scarce", "north") })
	if err := north.Admit(0); err != nil {
		t.Error(err)
	}
	if err := north.Admit(1 << 60); fax.KindOf(err) != fax.Full {
		t.Error(err)
	}
}
