package ledger

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/activity"
	"github.com/faxmesh/faxmesh/clientlib/fax"
)

func TestFindActivity(t *testing.T) {
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"))
	for i, a := range []fax.Activity{
		{Who: "Clerk", What: "login", Object: ""},
		{Who: "clerk", What: "submit", Object: "aa11"},
		{Who: "admin", What: "set-rights", Object: "clerk"},
		{Who: "north", What: "sent", Object: "aa11"},
		{Who: "other", What: "submit", Object: "bb22"},
		{Who: "other", What: "login"},
	} {
		a.At, a.Node = fax.Millis(1000*(i+1)), "north"
		must(t, l, Note{Activity: a})
	}
	for what, c := range map[string]struct {
		f    fax.ActivityFilter
		want []uint64
		more uint64
	}{
		"all":            {fax.ActivityFilter{}, []uint64{1, 2, 3, 4, 5, 6}, 0},
		"newest":         {fax.ActivityFilter{Newest: true, Limit: 2}, []uint64{6, 5}, 5},
		"newest further": {fax.ActivityFilter{Newest: true, Before: 5}, []uint64{4, 3, 2, 1}, 0},
		"behind the end": {fax.ActivityFilter{Newest: true, Before: 100, After: 4}, []uint64{6, 5}, 0},
		"page":           {fax.ActivityFilter{After: 1, Limit: 2}, []uint64{2, 3}, 3},
		"range":          {fax.ActivityFilter{After: 2, Before: 5}, []uint64{3, 4}, 0},
		"account":        {fax.ActivityFilter{Account: "CLERK"}, []uint64{1, 2, 3}, 0},
		"kind":           {fax.ActivityFilter{What: "login"}, []uint64{1, 6}, 0},
		"fax":            {fax.ActivityFilter{Object: "aa"}, []uint64{2, 4}, 0},
		"time":           {fax.ActivityFilter{From: 2000, Until: 4000}, []uint64{2, 3}, 0},
		"all at once":    {fax.ActivityFilter{From: 1500, Account: "other", What: "submit", Object: "bb22"}, []uint64{5}, 0},
		"nothing":        {fax.ActivityFilter{After: ^uint64(0)}, nil, 0},
	} {
		entries, more, err := l.FindActivity(c.f)
		var got []uint64
		for _, a := range entries {
			got = append(got, a.Seq)
		}
		if err != nil || !slices.Equal(got, c.want) || more != c.more {
			t.Errorf("%s: %v, more %d, %v; want %v, more %d", what, got, more, err, c.want, c.more)
		}
	}
	seq, end, err := l.ActivityEnd()
	upTo, upToErr := l.ActivityUpTo(6)
	if err != nil || upToErr != nil || seq != 6 || end != upTo {
		t.Errorf("the record ends with %d, %s (%v); entry 6 has %s (%v)", seq, end, err, upTo, upToErr)
	}
	if start, err := l.ActivityUpTo(0); err != nil || start != activity.Start {
		t.Errorf("before the first entry: %s, %v", start, err)
	}
	if _, err := l.ActivityUpTo(7); fax.KindOf(err) != fax.NotFound {
		t.Errorf("behind the last entry: %v", err)
	}
}

// TestFindActivityLooksNoFurther: a search for what is rare comes to an end, and
// is gone on with.
func TestFindActivityLooksNoFurther(t *testing.T) {
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"))
	const n = MaxSearch + 10
	var entries []Entry
	for i := range n {
		data, err := Encode(Note{Activity: fax.Activity{At: 1, Who: "other", Node: "north", What: "view"}})
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, Entry{Index: uint64(i + 1), Data: data})
	}
	if _, err := l.ApplyBatch(entries); err != nil {
		t.Fatal(err)
	}
	found, more, err := l.FindActivity(fax.ActivityFilter{Account: "nobody"})
	if err != nil || len(found) != 0 || more != MaxSearch {
		t.Errorf("the first search: %d found, more %d, %v", len(found), more, err)
	}
	if _, more, err = l.FindActivity(fax.ActivityFilter{Account: "nobody", After: more}); err != nil || more != 0 {
		t.Errorf("the second search: more %d, %v", more, err)
	}
}
