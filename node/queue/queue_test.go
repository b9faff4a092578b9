package queue

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/modem/status"
	"pgregory.net/rapid"
)

const now = fax.Millis(1_000_000)

func queued(id, number string, submitted fax.Millis) fax.Job {
	return fax.Job{ID: id, Number: number, Submitted: submitted, State: fax.Queued, Home: "north"}
}

func running(id, number, node, line string) fax.Job {
	j := queued(id, number, 0)
	j.State, j.Tries = fax.Sending, 1
	j.Last = &fax.Attempt{Number: 1, Node: node, Line: line, Until: now}
	return j
}

func TestAssign(t *testing.T) {
	rules := []fax.DialRule{{Prefix: "2", Node: "south"}}
	later := queued("later", "7", 1)
	later.NotBefore = now + 1
	due := queued("due", "7", 1)
	due.NotBefore, due.Tries = now, 3
	held := queued("held", "7", 1)
	held.State = fax.Held
	for _, c := range []struct {
		name string
		jobs []fax.Job
		free []Line
		want []Assignment
	}{
		{"nothing to do", nil, []Line{{"north", "1"}}, nil},
		{"no line", []fax.Job{queued("a", "1", 1)}, nil, nil},
		{"oldest first", []fax.Job{queued("b", "1", 2), queued("a", "3", 1)}, []Line{{"north", "1"}},
			[]Assignment{{"a", 1, Line{"north", "1"}, ""}}},
		{"same age by id", []fax.Job{queued("b", "1", 1), queued("a", "3", 1)}, []Line{{"north", "1"}},
			[]Assignment{{"a", 1, Line{"north", "1"}, ""}}},
		{"dial rule", []fax.Job{queued("a", "2-0", 1)}, []Line{{"north", "1"}, {"south", "9"}, {"south", "8"}},
			[]Assignment{{"a", 1, Line{"south", "8"}, ""}}},
		{"dial rule waits, others do not", []fax.Job{queued("a", "20", 1), queued("b", "3", 2)}, []Line{{"north", "1"}},
			[]Assignment{{"b", 1, Line{"north", "1"}, ""}}},
		{"home first", []fax.Job{queued("a", "1", 1)}, []Line{{"east", "1"}, {"east", "2"}, {"north", "1"}},
			[]Assignment{{"a", 1, Line{"north", "1"}, ""}}},
		{"else the idlest", []fax.Job{queued("a", "1", 1)}, []Line{{"east", "1"}, {"west", "1"}, {"west", "2"}},
			[]Assignment{{"a", 1, Line{"west", "1"}, ""}}},
		{"idlest by name", []fax.Job{queued("a", "1", 1)}, []Line{{"west", "1"}, {"east", "1"}},
			[]Assignment{{"a", 1, Line{"east", "1"}, ""}}},
		{"one call to a number", []fax.Job{queued("a", "1-1", 1), queued("b", "11", 2), queued("c", "12", 3)},
			[]Line{{"north", "1"}, {"north", "2"}},
			[]Assignment{{"a", 1, Line{"north", "1"}, ""}, {"c", 1, Line{"north", "2"}, ""}}},
		{"number being called", []fax.Job{running("r", "11", "south", "1"), queued("a", "1.1", 1)}, []Line{{"north", "1"}}, nil},
		{"line said free but given", []fax.Job{running("r", "5", "north", "1"), queued("a", "1", 1)}, []Line{{"north", "1"}}, nil},
		{"a line named twice is one", []fax.Job{queued("a", "1", 1), queued("b", "3", 2)}, []Line{{"north", "1"}, {"north", "1"}},
			[]Assignment{{"a", 1, Line{"north", "1"}, ""}}},
		{"not before its time", []fax.Job{later, held}, []Line{{"north", "1"}}, nil},
		{"at its time", []fax.Job{due}, []Line{{"north", "1"}}, []Assignment{{"due", 4, Line{"north", "1"}, ""}}},
	} {
		if got := NewPlan(now, c.jobs, c.free).Assign(c.jobs, rules); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestAlone: a node that is cut off calls for what it took alone, on its own
// lines; everybody else leaves that alone.
func TestAlone(t *testing.T) {
	own, other := queued("own", "21", 2), queued("other", "4", 1)
	own.Alone = "north"
	jobs, free := []fax.Job{own, other}, []Line{{"north", "1"}, {"south", "1"}}
	rules := []fax.DialRule{{Prefix: "2", Node: "south"}}
	if got := NewPlan(now, nil, free).Alone("north").Assign(jobs, rules); !slices.Equal(got, []Assignment{{"own", 1, Line{"north", "1"}, ""}}) {
		t.Errorf("cut off: %v", got)
	}
	if got := NewPlan(now, nil, free).Assign(jobs, rules); !slices.Equal(got, []Assignment{{"other", 1, Line{"north", "1"}, ""}}) {
		t.Errorf("the others: %v", got)
	}
}

// TestAbsent: the rule of a node without lines holds for RuleWait; then the next
// one, and the job says why.
func TestAbsent(t *testing.T) {
	rules := []fax.DialRule{{Prefix: "2", Node: "west"}, {Prefix: "21", Node: "south"}}
	job := []fax.Job{queued("a", "211", 1)}
	wait := fax.Millis(RuleWait.Milliseconds())
	absent := Absent{}
	lines := []fax.LineState{{Node: "north", Name: "1"}, {Node: "west", Name: "1", State: "sending"}}
	free := []Line{{"north", "1"}, {"west", "1"}}
	for _, c := range []struct {
		at    fax.Millis
		lines []fax.LineState
		free  []Line
		node  string // that dials, "" if nobody
		note  bool
	}{
		{now, lines, free, "", false},
		{now + wait - 1, lines, free, "", false},
		{now + wait, lines, free, "west", true},
		{now + wait, lines[:1], free[:1], "", false}, // west has just gone too
		{now + 2*wait, lines[:1], free[:1], "north", true},
		{now + 2*wait, append(lines, fax.LineState{Node: "south", Name: "1", State: "down"}), free, "", false}, // it is back, its line is not
		{now + 9*wait, append(lines, fax.LineState{Node: "south", Name: "1"}), append(free, Line{"south", "1"}), "south", false},
		{now + 9*wait, lines, free, "", false}, // gone again: from the start
	} {
		absent.See(c.at, rules, c.lines)
		got := NewPlan(c.at, nil, c.free).Without(absent).Assign(job, rules)
		node, note := "", ""
		if len(got) == 1 {
			node, note = got[0].Node, got[0].Note
		}
		if node != c.node || (note != "") != c.note || c.note && !strings.Contains(note, "south") {
			t.Errorf("after %v: %+v, want %q", c.at-now, got, c.node)
		}
	}
}

// TestAssignInvariants: whatever the queue looks like, no number is called
// twice, no line is used twice, rules are kept, and no job that could have had
// a line is left without one.
func TestAssignInvariants(t *testing.T) {
	nodes := []string{"north", "south", "west"}
	rules := []fax.DialRule{{Prefix: "2", Node: "south"}, {Prefix: "3", Node: "gone"}}
	rapid.Check(t, func(t *rapid.T) {
		var jobs []fax.Job
		for i := range rapid.IntRange(0, 12).Draw(t, "jobs") {
			j := queued(string(rune('a'+i)), rapid.SampledFrom([]string{"1", "2", "21", "3", "4"}).Draw(t, "number"), fax.Millis(i%3))
			if rapid.Bool().Draw(t, "running") {
				j = running(j.ID, j.Number, rapid.SampledFrom(nodes).Draw(t, "node"), "1")
			}
			jobs = append(jobs, j)
		}
		var free []Line
		for _, n := range nodes {
			for _, l := range []string{"1", "2"}[:rapid.IntRange(0, 2).Draw(t, n)] {
				free = append(free, Line{n, l})
			}
		}
		numbers, lines, given := map[string]bool{}, map[Line]bool{}, map[string]bool{}
		byID := map[string]fax.Job{}
		for _, j := range jobs {
			byID[j.ID] = j
			if j.State.Running() {
				numbers[j.Number] = true
				lines[Line{j.Last.Node, j.Last.Line}] = true
			}
		}
		assigned := NewPlan(now, jobs, free).Assign(jobs, rules)
		for _, a := range assigned {
			j := byID[a.Job]
			if numbers[j.Number] || lines[a.Line] || !slices.Contains(free, a.Line) || j.State != fax.Queued {
				t.Fatalf("%+v for %+v: number or line is in use", a, j)
			}
			if j.Number[0] == '2' && a.Node != "south" || j.Number[0] == '3' {
				t.Fatalf("%+v breaks the dial rule of %s", a, j.Number)
			}
			numbers[j.Number], lines[a.Line], given[a.Job] = true, true, true
		}
		for _, j := range jobs {
			if j.State != fax.Queued || given[j.ID] || numbers[j.Number] || j.Number[0] == '3' {
				continue
			}
			for _, l := range free {
				if !lines[l] && (j.Number[0] != '2' || l.Node == "south") {
					t.Fatalf("job %+v waits although %v is free", j, l)
				}
			}
		}
		// Page by page it is the same.
		slices.SortFunc(jobs, func(a, b fax.Job) int { return cmp.Or(cmp.Compare(a.Submitted, b.Submitted), cmp.Compare(a.ID, b.ID)) })
		plan, size := NewPlan(now, jobs, free), rapid.IntRange(1, 5).Draw(t, "page")
		var paged []Assignment
		for page := range slices.Chunk(jobs, size) {
			paged = append(paged, plan.Assign(page, rules)...)
		}
		if !slices.Equal(paged, assigned) {
			t.Fatalf("in pages of %d: %v, at once: %v", size, paged, assigned)
		}
	})
}

func TestNext(t *testing.T) {
	a, b := queued("a", "1", 1), queued("b", "2", 1)
	a.NotBefore, b.NotBefore = now+50, now+20
	past := queued("c", "3", 1)
	if at, ok := Next(now, []fax.Job{a, past, b}); !ok || at != now+20 {
		t.Errorf("Next = %v, %v; want %v", at, ok, now+20)
	}
	if _, ok := Next(now, []fax.Job{past}); ok {
		t.Error("a job that waits for a line only has no time")
	}
}

func TestRetry(t *testing.T) {
	minute := fax.Millis(time.Minute.Milliseconds())
	for _, c := range []struct {
		code  status.Code
		tries int
		state fax.State
		wait  fax.Millis
	}{
		{status.OK, 1, fax.Done, 0},
		{status.Aborted, 1, fax.Cancelled, 0},
		{status.UnknownNo, 1, fax.Undone, 0},
		{status.NotSupported, 1, fax.Undone, 0},
		{status.Busy, 1, fax.Queued, minute},
		{status.Busy, 2, fax.Queued, 2 * minute},
		{status.Busy, 11, fax.Queued, 15 * minute},
		{status.Busy, 12, fax.Undone, 0},
		{status.NoAnswer, 1, fax.Queued, 5 * minute},
		{status.NoAnswer, 6, fax.Undone, 0},
		{status.Glare, 1, fax.Queued, minute / 10},
		{status.Glare, 39, fax.Queued, minute},
		{status.Glare, 40, fax.Undone, 0},
		{status.TrainingFailed, 1, fax.Queued, minute},
		{status.TrainingFailed, 8, fax.Undone, 0},
		{status.Unseen, 0, fax.Queued, minute},
		{status.Code(999), 2, fax.Queued, 3 * minute},
	} {
		state, at := Policy{}.Retry(c.code, c.tries, now)
		want := c.wait
		if c.state == fax.Queued {
			want += now
		}
		if state != c.state || at != want {
			t.Errorf("Retry(%v, %d) = %v, %v; want %v, %v", c.code, c.tries, state, at, c.state, want)
		}
	}
	if _, at := (Policy{Minute: time.Second}).Retry(status.Busy, 2, now); at != now+2000 {
		t.Errorf("a shorter minute: %v, want %v", at, now+2000)
	}
}
