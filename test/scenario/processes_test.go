//go:build linux

package scenario

import (
	"bytes"
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// TestPortsInUse: whoever finds a port taken names it and the setting to
// change, ends at once, and leaves the one who has it alone.
func TestPortsInUse(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	north := l.found(t, "north")
	exchange := l.exchange(t, lineSpeed)
	north.standBy(t)
	taken := func(env, addr string) []string {
		_, port, _ := net.SplitHostPort(addr)
		return []string{env + "=" + port}
	}
	south := l.place("south", 1)
	l.done(t, "faxmeshd", append(append([]string{"join", "--token-file", "token"}, south.flags(nil)...), north.clusters)...)
	run := []string{"run", "--data", "south"}
	l.refused(t, taken("NCFX_NETWORK_SERVERTCPPORT", north.clients), 1,
		[]string{"tcp port " + north.clients + " is in use by another program", "[NETWORK] SERVERTCPPORT"}, "faxmeshd", run...)
	l.refused(t, taken("NCFX_NETWORK_SERVERUDPPORT", north.clusters), 1,
		[]string{"tcp port " + north.clusters + " is in use by another program", "[NETWORK] SERVERUDPPORT"}, "faxmeshd", run...)
	udp, err := net.ListenPacket("udp", south.clusters)
	if err != nil {
		t.Fatal(err)
	}
	l.refused(t, nil, 1, []string{"udp port " + south.clusters + " is in use by another program", "[NETWORK] SERVERUDPPORT"}, "faxmeshd", run...)
	_ = udp.Close()
	l.refused(t, nil, 1, []string{"tcp port " + l.ip + ":7499 is in use by another program", "--listen"},
		"faxmeshd", "exchange", "--listen", l.ip+":7499")
	l.refused(t, nil, 1, []string{"tcp port " + north.clients + " is in use by another program", "[NETWORK] SERVERTCPPORT"},
		"faxmeshd", "init", "--data", "other", "--name", "other", "--listen", l.ip+":7990", "--client-listen", north.clients)
	l.absent(t, "other")

	south.run(t) // nothing of that has harmed it
	south.proc.stop(t)
	exchange.stop(t)
}

// absent checks that a command that was refused has made nothing.
func (l *lab) absent(t *testing.T, name string) {
	t.Helper()
	if entries, err := os.ReadDir(l.path(name)); err == nil && len(entries) > 0 {
		t.Errorf("%s was made, with %d entries", name, len(entries))
	}
}

// TestWrongDirectories: one process alone works in a directory, under one name,
// in one cluster.
func TestWrongDirectories(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	north := l.found(t, "north")
	north.standBy(t)
	pid := strconv.Itoa(north.proc.cmd.Process.Pid)
	l.refused(t, nil, 1, []string{"the directory north is in use by a running faxmeshd (process " + pid + "); stop it first"}, "faxmeshd", "run", "--data", "north")
	l.refused(t, nil, 1, []string{"north is the directory of a node already"}, "faxmeshd", append([]string{"init"}, l.place("north", 3).flags(nil)...)...)
	l.refused(t, nil, 1, []string{"nowhere"}, "faxmeshd", "run", "--data", "nowhere")
	l.absent(t, "nowhere")
	if err := os.MkdirAll(l.path("bare/DATA"), 0o700); err != nil {
		t.Fatal(err)
	}
	l.file(t, "bare/DATA/NCFXSERVER.DAT", []byte("[NODE]\nNAME=bare\n[NETWORK]\nSERVERTCPADDRESS="+l.ip+"\nSERVERUDPADDRESS="+l.ip+"\nSERVERTCPPORT=7988\nSERVERUDPPORT=7987\n"))
	l.refused(t, nil, 1, []string{"belongs to no cluster yet; make one with faxmeshd init, or join one with faxmeshd join"}, "faxmeshd", "run", "--data", "bare")
	l.file(t, "bare/DATA/NCFXSERVER.DAT", []byte("[NODE]\nNAME=bare\n[NETWORK]\nSERVERTCPPORT=many\n"))
	l.refused(t, nil, 1, []string{"NCFXSERVER.DAT:4", "SERVERTCPPORT"}, "faxmeshd", "run", "--data", "bare")
}

// TestAnotherClustersDirectory: a node of another cluster that is started in
// the place of one of ours, under its name and at its addresses, is let in by
// nobody; when ours is back all goes on.
func TestAnotherClustersDirectory(t *testing.T) {
	t.Parallel()
	ours := newLab(t)
	north := ours.found(t, "north")
	south := ours.join(t, north, "south", 1)
	south.proc.stop(t)

	theirs := &lab{dir: t.TempDir(), ip: ours.ip}
	stranger := theirs.place("south", 1) // the name and the addresses of ours
	password := theirs.file(t, "admin.pw", []byte(adminPassword+"\n"))
	theirs.done(t, "faxmeshd", append([]string{"init", "--password-file", password, "--token-file", "token"}, stranger.flags(nil)...)...)

	// With the settings of ours, by which it says another name.
	theirs.refused(t, []string{"NCFX_NODE_NAME=north"}, 1, []string{`south is the directory of node "south" of cluster`, `not of "north"`},
		"faxmeshd", "run", "--data", "south")

	north.standBy(t)
	admin := north.login(t, "admin", adminPassword)
	mark := north.proc.said.mark()
	stranger.run(t)
	north.proc.said.await(t, mark, "certificate", readyTime) // refused, and the log says why
	alive := func() bool {
		ctx, cancel := asking(t)
		defer cancel()
		nodes, err := admin.Cluster(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			if n.Node.Name == "south" {
				return n.Alive
			}
		}
		t.Fatalf("south is no member any more: %+v", nodes)
		return false
	}
	if alive() {
		t.Error("the stranger passes for south")
	}

	// A client that knows our cluster does not talk to theirs.
	ours.done(t, "faxmesh", "login", "admin@"+north.clients, "--password-file", ours.path("admin.pw"))
	ours.refused(t, nil, 1, []string{"fingerprint"}, "faxmesh", "login", "admin@"+south.clients, "--password-file", ours.path("admin.pw"), "--fingerprint", admin.Fingerprint())
	err := resumeTrusting(t, south.clients, admin)
	if err == nil || !strings.Contains(err.Error(), "fingerprint") {
		t.Errorf("our session at their node: %v", err)
	}

	stranger.proc.stop(t)
	south.run(t)
	until(t, "our south is back", readyTime, alive)
	ctx, cancel := asking(t)
	defer cancel()
	job, err := admin.Submit(ctx, fax.Order{Number: "0999", Title: "after all", NotBefore: fax.At(time.Now().Add(time.Hour))}, bytes.NewReader([]byte("a\n")), 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := south.login(t, "admin", adminPassword)
	if got, err := at.Job(ctx, job.ID); err != nil || got.ID != job.ID {
		t.Errorf("the new fax at south: %+v, %v", got, err)
	}
}

// resumeTrusting opens a session at an address, for a client that knows which
// cluster it belongs to.
func resumeTrusting(t *testing.T, addr string, c *clientlib.Client) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), askTime)
	defer cancel()
	other, err := clientlib.Dial(ctx, []string{addr}, clientlib.Options{Fingerprint: c.Fingerprint()})
	if err != nil {
		return err
	}
	defer other.Close()
	_, err = other.Resume(ctx, c.Session().Token)
	return err
}

// TestBadJoins: a token that is used up, mistyped, unknown or of another
// cluster, and a name that is taken, are told apart in words, make nothing,
// and harm nobody.
func TestBadJoins(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	north := l.found(t, "north")
	north.standBy(t)
	admin := north.login(t, "admin", adminPassword)
	ctx, cancel := asking(t)
	defer cancel()
	once, err := admin.NewToken(ctx, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	other, err := admin.NewToken(ctx, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := &lab{dir: t.TempDir(), ip: l.ip}
	foreign := elsewhere.foreignToken(t)
	middle := len(once) / 2
	mistyped := once[:middle] + string('a'+(once[middle]-'a'+1)%20) + once[middle+1:]
	join := func(name, token, at string) []string {
		n := l.place("south", 1)
		return []string{"join", "--token", token, "--data", "south", "--name", name, "--listen", n.clusters, "--client-listen", n.clients, at}
	}
	for _, c := range []struct {
		name, token, at, words string
	}{
		{"south", "", north.clusters, "name the join token with --token or --token-file"},
		{"south", "hello", north.clusters, "this is not a join token"},
		{"south", once[:len(once)-1], north.clusters, "this is not a join token"},
		{"south", mistyped, north.clusters, "the join token has been mistyped; copy it whole"},
		{"south", foreign, north.clusters, "the node there is not of the cluster that gave the token"},
		{"north", other, north.clusters, `the name "north" belongs to another node; choose another name`},
		{"so/uth", once, north.clusters, "which names may not have"},
		{"south", once, north.clients, "is no cluster port; a node's is 7487 unless its settings say otherwise"},
		{"south", once, l.ip + ":9", "connection refused"},
	} {
		status := 1
		if c.token == "" || c.name == "so/uth" {
			status = 2 // wrong usage
		}
		l.refused(t, nil, status, []string{c.words}, "faxmeshd", join(c.name, c.token, c.at)...)
		if _, err := os.Stat(l.path("south/DATA/NCFXSERVER.DAT")); err == nil {
			t.Errorf("%s: the directory is a node's", c.words)
		}
	}
	l.done(t, "faxmeshd", join("south", once, north.clusters)...)
	l.refused(t, nil, 1, []string{"the join token is used up; make another"}, "faxmeshd",
		append(append([]string{"join", "--token", once}, l.place("west", 2).flags(nil)...), north.clusters)...)
	nodes, err := admin.Cluster(ctx)
	if err != nil || len(nodes) != 2 {
		t.Errorf("after all that the cluster has %d nodes, %v", len(nodes), err)
	}
}

// foreignToken is the join token of another cluster, which does not run.
func (l *lab) foreignToken(t *testing.T) string {
	t.Helper()
	password := l.file(t, "admin.pw", []byte(adminPassword+"\n"))
	l.done(t, "faxmeshd", append([]string{"init", "--password-file", password, "--token-file", "token"}, l.place("north", 9).flags(nil)...)...)
	token, err := os.ReadFile(l.path("token"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(token))
}
