//go:build linux

package main

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/faxmesh/faxmesh/clientlib/fax"
)

func TestLinearizable(t *testing.T) {
	ask := func(rival int, what, want, answer string, from, to int) asked {
		return asked{Rival: rival, Wish: wish{what, want}, Answer: answer, From: time.Duration(from), To: time.Duration(to)}
	}
	held, queued, cancelled := string(fax.Held), string(fax.Queued), string(fax.Cancelled)
	for _, c := range []struct {
		name string
		all  []asked
		ok   bool
	}{
		{"one after the other", []asked{ask(0, "account a", there, granted, 0, 1), ask(1, "account a", there, denied, 2, 3), ask(1, "account a", gone, granted, 4, 5)}, true},
		{"two have the same name", []asked{ask(0, "account a", there, granted, 0, 9), ask(1, "account a", there, granted, 1, 8)}, false},
		{"other names do not matter", []asked{ask(0, "account a", there, granted, 0, 9), ask(1, "account b", there, granted, 1, 8)}, true},
		{"a lost write", []asked{ask(0, "account a", there, granted, 0, 1), ask(1, "account a", gone, denied, 2, 3)}, false},
		{"a stale denial", []asked{ask(0, "account a", there, granted, 0, 1), ask(0, "account a", gone, granted, 2, 3), ask(1, "account a", there, denied, 4, 5)}, false},
		{"not known, and it was done much later", []asked{ask(0, "account a", there, unknown, 0, 1), ask(1, "account a", gone, denied, 2, 3), ask(1, "account a", gone, granted, 4, 5)}, true},
		{"not known, and never done", []asked{ask(0, "account a", there, unknown, 0, 1), ask(1, "account a", gone, denied, 2, 3)}, true},
		{"not known, done twice", []asked{ask(0, "account a", there, unknown, 0, 1), ask(1, "account a", gone, granted, 2, 3), ask(1, "account a", gone, granted, 4, 5)}, false},
		{"a job is held and resumed", []asked{ask(0, "job 1", held, granted, 0, 1), ask(1, "job 1", held, granted, 2, 3), ask(1, "job 1", queued, granted, 4, 5)}, true},
		{"a cancelled job comes back", []asked{ask(0, "job 1", cancelled, granted, 0, 1), ask(1, "job 1", held, granted, 2, 3)}, false},
		{"a job is refused for nothing", []asked{ask(0, "job 1", held, denied, 0, 1)}, false},
	} {
		if got, _ := linearizable(c.all); (got == porcupine.Ok) != c.ok || got == porcupine.Unknown {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

func TestAnswers(t *testing.T) {
	for kind, want := range map[fax.Kind]string{fax.Exists: denied, fax.NotFound: denied, fax.Conflict: denied,
		fax.Unavailable: unknown, fax.Internal: unknown, fax.Busy: unknown, fax.BadLogin: unknown} {
		if got := answerOf(fax.Errorf(kind, "no")); got != want {
			t.Errorf("%v is %s, want %s", kind, got, want)
		}
	}
	if answerOf(nil) != granted {
		t.Error("no error is not granted")
	}
}

// TestWorn: what too many requests have left open is not asked for any more.
func TestWorn(t *testing.T) {
	r := &rivals{jobs: []string{"1", "2", "3", "4", "5", "6"}}
	chance := rand.New(rand.NewPCG(1, 1))
	for range 4000 {
		w := r.pick(chance)
		r.noteLocked(asked{Wish: w, Answer: unknown})
	}
	if r.worn == 0 {
		t.Error("no account is worn")
	}
	for what, n := range r.open {
		if n > mostOpen {
			t.Errorf("%s has %d open requests", what, n)
		}
	}
	if w := r.pick(chance); !strings.HasPrefix(w.What, "account ") {
		t.Errorf("%s is asked for", w.What)
	}
}
