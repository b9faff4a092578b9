package queue

import (
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

func TestWaits(t *testing.T) {
	rules := []fax.DialRule{{Prefix: "2", Node: "south"}}
	north, south := fax.LineState{Node: "north", Name: "1", State: "free"}, fax.LineState{Node: "south", Name: "1", State: "sending"}
	later, alone, held := queued("a", "1", 1), queued("a", "21", 1), queued("a", "21", 1)
	later.NotBefore, alone.Alone, held.State = now+1, "south", fax.Held
	for _, c := range []struct {
		name  string
		job   fax.Job
		lines []fax.LineState
		says  string // "" for nothing
	}{
		{"a line is free", queued("a", "1", 1), []fax.LineState{north}, ""},
		{"not yet due", later, nil, ""},
		{"kept by a node alone", alone, nil, ""},
		{"held", held, nil, ""},
		{"the node of the rule is gone", queued("a", "21", 1), []fax.LineState{north}, "node south, which has no line now; if that lasts for 10 minutes"},
		{"its line is in use", queued("a", "21", 1), []fax.LineState{north, south}, "none of its 1 lines"},
		{"all are in use", queued("a", "1", 1), []fax.LineState{south}, "None of the 1 lines"},
		{"there is no line", queued("a", "1", 1), nil, "No node has a line"},
	} {
		got := Waits(now, &c.job, rules, c.lines)
		if (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s: %q, want %q", c.name, got, c.says)
		}
	}
}
