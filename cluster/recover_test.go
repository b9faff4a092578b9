package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Two of three nodes are lost for good: the third goes on alone with all that
// was agreed on; those that were lost are told to stop when they appear again,
// and others may join.
func TestRecoverAlone(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south", "west")
	w.voters(3)
	w.file("north", "job")
	w.propose("south", "clerk")
	w.agree()
	opt := func(name string) Options { return Options{Dir: w.dirs[name], Logger: w.logger()} }
	north, addr := w.nodes["north"], w.nodes["south"].PeerAddr().String()
	port := north.PeerAddr().String()
	if err := north.Close(); err != nil {
		t.Fatal(err)
	}
	delete(w.nodes, "north")
	waitFor(t, "the others go on", func() bool { return w.nodes["south"].Leader() != "" && w.nodes["south"].Leader() != "north" })
	if _, err := Recover(patience(t), opt("north"), true); fax.KindOf(err) != fax.Conflict || !strings.Contains(err.Error(), "there is a majority") {
		t.Fatalf("a recovery beside a majority: %v", err)
	}
	for _, name := range []string{"south", "west"} {
		w.nodes[name].Close()
		delete(w.nodes, name)
	}
	r, err := Recover(patience(t), opt("north"), false)
	if err != nil || len(r.Others) != 2 || r.Others[0].Answers || r.Jobs.Held != 1 || r.Documents != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if r, err = Recover(patience(t), opt("north"), true); err != nil {
		t.Fatal(err)
	}
	north = w.open("north", port)
	w.propose("north", "after the fire")
	if m := north.Members(); len(m) != 1 || !m[0].Leader {
		t.Errorf("members %+v", m)
	}
	for _, name := range []string{"clerk", "admin", "after the fire"} {
		if _, _, err := north.Ledger().Account(name); err != nil {
			t.Error(err)
		}
	}
	removed, err := north.Ledger().Removed()
	if err != nil || len(removed) != 2 || removed[0].Era != 1 {
		t.Fatalf("%+v, %v", removed, err)
	}
	south := w.open("south", addr)
	delete(w.nodes, "south")
	for _, r := range removed {
		if r.Name == "south" {
			if err := north.tell(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	<-south.Failed()
	if err := south.Err(); err == nil || !strings.Contains(err.Error(), "given up when the cluster was recovered") {
		t.Errorf("it ends with %v", err)
	}
	south.Close()
	w.settle("east", "west")
	w.voters(3)
	w.propose("east", "new")
	w.agree()
}

// A recovery that broke off is ended before the node is started.
func TestRecoveryBrokeOff(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.propose("north", "clerk")
	if err := w.nodes["north"].Close(); err != nil {
		t.Fatal(err)
	}
	half := []byte(`{"at":1,"reason":"` + halfRecovered + `"}`)
	if err := os.WriteFile(filepath.Join(w.dirs["north"], ownDir, stoppedFile), half, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Dir: w.dirs["north"], PeerListen: "127.0.0.1:0"}); fax.KindOf(err) != fax.Conflict {
		t.Fatalf("it is started: %v", err)
	}
	if _, err := Recover(patience(t), Options{Dir: w.dirs["north"]}, true); err != nil {
		t.Fatal(err)
	}
	w.open("north", "127.0.0.1:0")
	w.propose("north", "another")
}
