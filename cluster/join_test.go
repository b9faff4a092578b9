package cluster

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/peer"
)

func TestJoinRefusals(t *testing.T) {
	t.Parallel()
	w := found(t)
	north := w.nodes["north"]
	addr := north.PeerAddr().String()
	once, err := north.NewToken(patience(t), "admin", 1, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := Join(patience(t), dir, once, addr, Options{Name: "south"}); err != nil {
		t.Fatal(err)
	}
	other, err := peer.Found("north")
	if err != nil {
		t.Fatal(err)
	}
	good := w.token()
	short, err := north.NewToken(patience(t), "admin", 1, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	stranger := newToken(north.id.Authority())
	for _, c := range []struct {
		why, dir, token, name string
		kind                  fax.Kind
		text                  string
	}{
		{"a token used up", t.TempDir(), once, "west", fax.NotAllowed, "used up"},
		{"a token that has expired", t.TempDir(), short, "west", fax.NotAllowed, "expired"},
		{"a secret that was guessed", t.TempDir(), stranger.String(), "west", fax.NotFound, "unknown"},
		{"a token of another cluster", t.TempDir(), newToken(other.Authority()).String(), "west", fax.Unavailable, "not of the cluster that gave the token"},
		{"a mistyped token", t.TempDir(), strings.Replace(good, good[20:21], string(rune('a'+(good[20]-'a'+1)%26)), 1), "west", fax.Invalid, ""},
		{"no token", t.TempDir(), "let me in", "west", fax.Invalid, "not a join token"},
		{"a name that is taken", t.TempDir(), good, "south", fax.Conflict, "belongs to another"},
		{"the first node's name", t.TempDir(), good, "north", fax.Conflict, "belongs to another"},
		{"no name", t.TempDir(), good, "../x", fax.Invalid, "name"},
		{"a directory that is taken", dir, good, "west", fax.Exists, `node "south"`},
		{"another first node's directory", w.dirs["north"], good, "west", fax.Exists, `node "north"`},
	} {
		err := Join(patience(t), c.dir, c.token, addr, Options{Name: c.name})
		if err == nil || fax.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %v with %q", c.why, err, c.kind, c.text)
		}
	}
	// A join whose answer got lost is repeated: the same key, the same node.
	again := t.TempDir()
	if err := os.CopyFS(again, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(again+"/"+ownDir, again+"/"+newDir), Join(patience(t), again, once, addr, Options{Name: "south"})); err != nil {
		t.Errorf("a repeated join: %v", err)
	}
}

func TestToken(t *testing.T) {
	id, err := peer.Found("north")
	if err != nil {
		t.Fatal(err)
	}
	tok := newToken(id.Authority())
	if got, err := parseToken(" " + strings.ToUpper(tok.String()) + "\n"); err != nil || got != tok {
		t.Errorf("%v, %v", got, err)
	}
	text := tok.String()
	for i := len(tokenPrefix); i < len(text)-1; i++ { // the last character has spare bits
		b := []byte(text)
		if b[i]++; b[i] > 'z' {
			b[i] = 'a'
		}
		if got, err := parseToken(string(b)); err == nil && got != tok {
			t.Errorf("a slip at %d goes unnoticed", i)
		}
	}
}
