package cluster

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/roaming"
)

// TestBackupOfARunningNode: what a program with the node's directory gets is
// the state, the documents and the address books, and a document that is
// nowhere is told.
func TestBackupOfARunningNode(t *testing.T) {
	dir := t.TempDir()
	opt := Options{Dir: dir, Name: "north", PeerListen: "127.0.0.1:0", ClientAddr: "127.0.0.1:1", Admin: "admin", AdminHash: "$argon2id$x"}
	if err := Init(dir, opt); err != nil {
		t.Fatal(err)
	}
	c, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var job fax.Job
	for i, text := range []string{strings.Repeat("a page ", 1<<16), "another"} {
		doc, _, err := c.Blobs().Put(t.Context(), strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		doc.Pages = 1
		job = fax.Job{ID: fmt.Sprintf("j%d", i), Owner: "admin", Number: "0401", Home: "north", Fax: doc}
		if i == 1 {
			job.Source = fax.Document{Hash: strings.Repeat("0", 64), Size: 3} // nowhere
		}
		if _, err := c.Propose(t.Context(), ledger.Submit{Job: job}); err != nil {
			t.Fatal(err)
		}
	}
	const entries = 3000 // several pages
	for i := 0; i < entries; i += 100 {
		var edits []roaming.Edit
		for k := range 100 {
			edits = append(edits, roaming.Edit{Key: roaming.Key{Kind: roaming.Shared, Owner: "all", ID: fmt.Sprintf("e%05d", i+k)},
				Set: map[string]string{"name": strings.Repeat("x", 100), "number": fmt.Sprint(i + k)}})
		}
		if err := c.EditRoaming(edits...); err != nil {
			t.Fatal(err)
		}
	}
	control, err := Reach(dir, c.PeerAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	for _, documents := range []bool{false, true} {
		var backup bytes.Buffer
		order := BackupOrder{Documents: documents, Files: []BackupFile{{"NCFXSERVER.DAT", []byte("[NODE]\n")}}}
		result, err := control.Backup(t.Context(), order, &backup, func(BackupProgress) {})
		if err != nil {
			t.Fatal(err)
		}
		want, lost := 0, 0
		if documents {
			want, lost = 2, 1
		}
		if result.Documents != want || result.Lost != lost || len(result.Missing) != lost {
			t.Errorf("a backup has %d documents, %d are missing; want %d and %d", result.Documents, result.Lost, want, lost)
		}
		restoredIs(t, backup.Bytes(), documents, job, entries)
	}
}

func restoredIs(t *testing.T, backup []byte, documents bool, job fax.Job, entries int) {
	t.Helper()
	if _, err := CheckBackup(bytes.NewReader(backup)); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	opt := Options{Dir: dir, Name: "north", PeerListen: "127.0.0.1:0", PeerAdvertise: "127.0.0.1:9"}
	r, err := Restore(t.Context(), bytes.NewReader(backup), opt, true)
	if err != nil {
		t.Fatal(err)
	}
	if r.Jobs.Queued != 2 || len(r.Contents.Files) != 1 {
		t.Errorf("restored are jobs %+v and %d files", r.Jobs, len(r.Contents.Files))
	}
	opt.PeerAdvertise = ""
	c, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n, err := c.Roaming().Count(roaming.Shared, "all")
	last, ok, getErr := c.Roaming().Get(roaming.Key{Kind: roaming.Shared, Owner: "all", ID: fmt.Sprintf("e%05d", entries-1)})
	if err != nil || getErr != nil || n != entries || !ok || last.Fields()["number"] != fmt.Sprint(entries-1) {
		t.Errorf("the address book has %d entries (%v), the last is %v (%v)", n, err, last.Fields(), getErr)
	}
	page, err := c.Blobs().Open(t.Context(), job.Fax.Hash)
	switch {
	case !documents && fax.KindOf(err) != fax.NotFound:
		t.Errorf("a document that was not backed up: %v", err)
	case documents && err != nil:
		t.Error(err)
	case documents:
		text, err := io.ReadAll(page)
		page.Close()
		if err != nil || string(text) != "another" {
			t.Errorf("the document has %d octets, %v", len(text), err)
		}
	}
}
