package cluster

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/peer"
	"github.com/faxmesh/faxmesh/cluster/roaming"
)

// backedUp is a part of a backup.
type backedUp struct {
	name    string
	content []byte
}

func packed(t testing.TB, entries []backedUp) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if err := w.WriteHeader(&tar.Header{Name: e.name, Mode: 0o600, Size: int64(len(e.content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// goodBackup is what a small backup holds: one job with one document.
func goodBackup(t testing.TB) []backedUp {
	t.Helper()
	id, err := peer.Found("north")
	if err != nil {
		t.Fatal(err)
	}
	root, err := id.Root()
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sum := sha256.Sum256([]byte("a page"))
	hash := hex.EncodeToString(sum[:])
	for i, c := range []ledger.Command{
		ledger.AddAccount{Account: fax.Account{Name: "admin", Rights: fax.Administrator}, Hash: "$argon2id$x"},
		ledger.PutNode{Node: fax.Node{Name: "north", Fingerprint: id.Fingerprint(), Knows: ledger.Newest}},
		ledger.PutDialRule{Rule: fax.DialRule{Prefix: "04", Node: "north"}, At: 1},
		ledger.Submit{Job: fax.Job{ID: "j1", Owner: "admin", Number: "0401", Home: "north", Fax: fax.Document{Hash: hash, Size: 6, Pages: 1}}},
	} {
		data, err := ledger.Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		if results, err := l.ApplyBatch([]ledger.Entry{{Index: uint64(i + 7), Data: data}}); err != nil || results[0].Err != nil {
			t.Fatal(err, results)
		}
	}
	snapshot, err := l.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Release()
	mark, err := snapshot.Mark()
	if err != nil {
		t.Fatal(err)
	}
	var state bytes.Buffer
	if n, err := snapshot.WriteTo(&state); err != nil || n != snapshot.Size() {
		t.Fatalf("the snapshot has %d octets and says %d: %v", n, snapshot.Size(), err)
	}
	return []backedUp{
		{nameManifest, asJSON(t, Manifest{Format: 1, Cluster: id.Cluster, Node: "north", Made: 1700000000000, SnapshotMark: mark, Documents: true})},
		{nameAuthority, asJSON(t, root)},
		{folderSettings + "NCFXSERVER.DAT", []byte("[NODE]\nNAME=north\n")},
		{nameLedger, state.Bytes()},
		{folderDocuments + hash, []byte("a page")},
		{nameEnd, asJSON(t, BackupResult{BackupProgress: BackupProgress{Documents: 1}})},
	}
}

func TestBackupsThatAreNone(t *testing.T) {
	good := goodBackup(t)
	if c, err := CheckBackup(bytes.NewReader(packed(t, good))); err != nil || c.Manifest.Index != 10 || len(c.Files) != 1 {
		t.Fatalf("a good backup: entry %d, %d files, %v", c.Manifest.Index, len(c.Files), err)
	}
	with := func(change func(e []backedUp) []backedUp) []byte {
		return packed(t, change(slices.Clone(good)))
	}
	whole := packed(t, good)
	var linked bytes.Buffer
	w := tar.NewWriter(&linked)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: nameManifest, Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}), w.Close()); err != nil {
		t.Fatal(err)
	}
	for what, backup := range map[string][]byte{
		"a link":         linked.Bytes(),
		"nothing":        nil,
		"noise":          bytes.Repeat([]byte("noise "), 1000),
		"a newer format": with(func(e []backedUp) []backedUp { e[0].content = []byte(`{"format":2}`); return e }),
		"no manifest":    with(func(e []backedUp) []backedUp { return e[1:] }),
		"no authority":   with(func(e []backedUp) []backedUp { return slices.Delete(e, 1, 2) }),
		"no ledger":      with(func(e []backedUp) []backedUp { return slices.Delete(e, 3, 4) }),
		"two ledgers":    with(func(e []backedUp) []backedUp { return slices.Insert(e, 3, e[3]) }),
		"a damaged ledger": with(func(e []backedUp) []backedUp {
			b := bytes.Clone(e[3].content)
			b[len(b)/2] ^= 1
			e[3].content = b
			return e
		}),
		"a short ledger":    with(func(e []backedUp) []backedUp { e[3].content = e[3].content[:1000]; return e }),
		"another page":      with(func(e []backedUp) []backedUp { e[4].content = []byte("b page"); return e }),
		"a page elsewhere":  with(func(e []backedUp) []backedUp { e[4].name = folderDocuments + "../../etc/passwd"; return e }),
		"a page too few":    with(func(e []backedUp) []backedUp { return slices.Delete(e, 4, 5) }),
		"a page before all": with(func(e []backedUp) []backedUp { return slices.Insert(e, 3, e[4]) }),
		"noise in a book": with(func(e []backedUp) []backedUp {
			return slices.Insert(e, 4, backedUp{folderRoaming + "1", []byte("noise")})
		}),
		"half a book": with(func(e []backedUp) []backedUp {
			return slices.Insert(e, 4, backedUp{folderRoaming + "1", roaming.Page{More: true, Last: "k"}.Encode()})
		}),
		"no end":             with(func(e []backedUp) []backedUp { return e[:5] }),
		"more behind":        with(func(e []backedUp) []backedUp { return append(e, e[4]) }),
		"cut off":            whole[:len(whole)/2],
		"settings too large": with(func(e []backedUp) []backedUp { e[2].content = make([]byte, maxBackupFile+1); return e }),
	} {
		if _, err := CheckBackup(bytes.NewReader(backup)); err == nil {
			t.Errorf("%s is taken for a backup", what)
		}
		dir := t.TempDir()
		if _, err := Restore(t.Context(), bytes.NewReader(backup), Options{Dir: dir, Name: "north"}, false); err == nil {
			t.Errorf("%s is restored", what)
		} else if left, _ := os.ReadDir(dir); err != nil && len(left) != 0 {
			t.Errorf("%s leaves %v behind", what, left)
		}
	}
}

// TestRestore: what comes back is a cluster of one that goes on, under the same
// authority, with keys of its own.
func TestRestore(t *testing.T) {
	backup := packed(t, goodBackup(t))
	dir := t.TempDir()
	opt := Options{Dir: dir, Name: "new", PeerListen: "127.0.0.1:0", ClientAddr: "127.0.0.1:1", PeerAdvertise: "127.0.0.1:9"}
	r, err := Restore(t.Context(), bytes.NewReader(backup), opt, false)
	if err != nil {
		t.Fatal(err)
	}
	if r.Documents != 1 || r.Missing != 0 || r.Jobs.Held != 1 || len(r.Rules) != 1 {
		t.Errorf("restored: %d documents, %d missing, jobs %+v, rules removed %v", r.Documents, r.Missing, r.Jobs, r.Rules)
	}
	if _, err := Restore(t.Context(), bytes.NewReader(backup), opt, false); fax.KindOf(err) != fax.Exists {
		t.Errorf("a restore over a cluster: %v", err)
	}
	opt.PeerAdvertise = ""
	c, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	authority := c.id.Authority()
	if fmt.Sprintf("%x", authority) != r.Fingerprint || c.ID() != r.Contents.Manifest.Cluster {
		t.Error("the restored cluster is another one")
	}
	if _, err := c.Propose(t.Context(), ledger.AddAccount{Account: fax.Account{Name: "later", Rights: fax.Individual}, Hash: "$argon2id$x"}); err != nil {
		t.Errorf("the restored cluster does not go on: %v", err)
	}
	if index, _ := c.Ledger().Applied(); index <= 10 {
		t.Errorf("the log goes on at entry %d, which is used already", index)
	}
	last, err := ledger.VerifyActivity(c.Ledger().WholeActivity())
	if err != nil || last.Seq <= r.Contents.Manifest.Activity {
		t.Errorf("the activity record ends at %d, %v", last.Seq, err)
	}
	if upTo, err := c.Ledger().ActivityUpTo(r.Contents.Manifest.Activity); err != nil || upTo != r.Contents.Manifest.End {
		t.Errorf("the activity record is another one: %v", err)
	}
	j, err := c.Ledger().Job("j1")
	if err != nil || j.State != fax.Held || !strings.Contains(j.Reason, "held since the restore") {
		t.Errorf("the job is %s: %q, %v", j.State, j.Reason, err)
	}
	page, err := c.Blobs().Open(t.Context(), j.Fax.Hash)
	if err != nil {
		t.Fatal(err)
	}
	page.Close()
}

func FuzzCheckBackup(f *testing.F) {
	f.Add(packed(f, []backedUp{{nameManifest, []byte(`{"format":1}`)}, {nameAuthority, []byte("{}")}, {nameLedger, []byte("faxmesh ledger 1")}}))
	f.Fuzz(func(t *testing.T, backup []byte) {
		if _, err := CheckBackup(bytes.NewReader(backup)); err == nil {
			t.Error("octets from nowhere are a backup")
		}
	})
}
