// Package queue decides which job is sent next on which line.
//
// Its functions are pure: jobs, lines, rules and the time go in, a decision
// comes out. The leader's dispatch asks and proposes; whatever it proposes is
// checked once more when the ledger applies it.
package queue

import (
	"cmp"
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Times of a lease.
const (
	Lease = 30 * time.Second // a node may dial this long after the leader has assigned
	Renew = 10 * time.Second // how often a running call renews its lease
	Skew  = 30 * time.Second // how far clocks of nodes may differ

	callSetup   = 10 * time.Minute // dialling, training, line trouble
	callPage    = 6 * time.Minute  // a dense page at 2400 bit/s
	callLongest = 4 * time.Hour
)

// LongestCall is how long a call with so many pages may take. The node that
// makes the call ends it then, so that the leader may count on it.
func LongestCall(pages int) time.Duration {
	if pages < 0 || pages > int(callLongest/callPage) {
		return callLongest
	}
	return min(callSetup+time.Duration(pages)*callPage, callLongest)
}

// Line is a free line.
type Line struct{ Node, Name string }

// Assignment gives the next attempt of a job to a line.
type Assignment struct {
	Job     string
	Attempt int
	Line
	Note string // why this node, if that needs a word
}

// Plan matches queued jobs with free lines. No number is called twice at a
// time, no line is given twice. The oldest job comes first. A job whose number
// a dial rule gives to a node waits for a line of that node, for RuleWait if the
// node has none at all.
type Plan struct {
	now     fax.Millis
	lines   pool
	calling map[string]bool // numbers
	alone   string          // node for which the plan is, if that is cut off
	absent  Absent
	early   func(*fax.Job) bool // see Ahead
}

// NewPlan begins a plan at time now. Running are all jobs of which an attempt
// is under way.
func NewPlan(now fax.Millis, running []fax.Job, free []Line) *Plan {
	p := &Plan{now: now, lines: newPool(free), calling: make(map[string]bool)}
	for i := range running {
		j := &running[i]
		if !j.State.Running() {
			continue
		}
		p.calling[fax.Digits(j.Number)] = true
		if j.Last != nil {
			p.lines.take(Line{j.Last.Node, j.Last.Line})
		}
	}
	return p
}

// Without passes over dial rules of nodes that have been absent for RuleWait.
func (p *Plan) Without(absent Absent) *Plan {
	p.absent = absent
	return p
}

// With has retries tried that a wrong clock has put off, elapsed as in Ahead.
func (p *Plan) With(ahead Ahead, elapsed time.Duration) *Plan {
	p.early = func(j *fax.Job) bool { return ahead.due(elapsed, j) }
	return p
}

// Alone makes it the plan of a node that is cut off: of the jobs it took alone,
// on its own lines, whatever the dial rules say. In every other plan such jobs
// wait until the node has told the others of them.
func (p *Plan) Alone(node string) *Plan {
	p.alone = node
	for other := range p.lines {
		if other != node {
			delete(p.lines, other)
		}
	}
	return p
}

// Full reports whether no line is free any more.
func (p *Plan) Full() bool { return p.lines.empty() }

// Assign gives lines to some of these jobs, which have to be older than those
// of the next call; jobs that are not queued are passed over.
func (p *Plan) Assign(jobs []fax.Job, rules []fax.DialRule) []Assignment {
	var waiting []*fax.Job
	for i := range jobs {
		if j := &jobs[i]; j.State == fax.Queued && (j.NotBefore <= p.now || p.early != nil && p.early(j)) {
			waiting = append(waiting, j)
		}
	}
	slices.SortFunc(waiting, func(a, b *fax.Job) int {
		return cmp.Or(cmp.Compare(a.Submitted, b.Submitted), cmp.Compare(a.ID, b.ID))
	})
	var out []Assignment
	for _, j := range waiting {
		if p.Full() {
			break
		}
		number := fax.Digits(j.Number)
		if p.calling[number] || j.Alone != p.alone {
			continue
		}
		line, note, ok := p.choose(j, rules)
		if !ok {
			continue
		}
		p.lines.take(line)
		p.calling[number] = true
		out = append(out, Assignment{Job: j.ID, Attempt: j.Tries + 1, Line: line, Note: note})
	}
	return out
}

// Next is the earliest time after now at which a Plan may answer differently
// although nothing else has changed; false if there is none.
func Next(now fax.Millis, jobs []fax.Job) (at fax.Millis, ok bool) {
	for i := range jobs {
		if j := &jobs[i]; j.State == fax.Queued && j.NotBefore > now && (!ok || j.NotBefore < at) {
			at, ok = j.NotBefore, true
		}
	}
	return at, ok
}

// pool is the free lines, by node, each node's in order of their names.
type pool map[string][]string

func newPool(free []Line) pool {
	p := make(pool)
	for _, l := range free {
		if !slices.Contains(p[l.Node], l.Name) {
			p[l.Node] = append(p[l.Node], l.Name)
		}
	}
	for _, names := range p {
		slices.Sort(names)
	}
	return p
}

func (p pool) empty() bool { return len(p) == 0 }

func (p pool) take(l Line) {
	rest := slices.DeleteFunc(p[l.Node], func(name string) bool { return name == l.Name })
	if len(rest) == 0 {
		delete(p, l.Node)
		return
	}
	p[l.Node] = rest
}

// choose takes the node of the dial rule; without a rule the node that took
// the submit, because it has the document, else the one with most free lines.
func (p *Plan) choose(j *fax.Job, rules []fax.DialRule) (line Line, note string, ok bool) {
	if p.alone != "" {
		rules = nil
	}
	node, note, ruled := p.absent.rule(p.now, rules, j.Number)
	if !ruled {
		node = j.Home
		if len(p.lines[node]) == 0 {
			node = p.lines.idlest()
		}
	}
	if len(p.lines[node]) == 0 {
		return Line{}, "", false
	}
	return Line{node, p.lines[node][0]}, note, true
}

func (p pool) idlest() string {
	best := ""
	for node, names := range p {
		more := len(names) - len(p[best])
		if best == "" || more > 0 || more == 0 && node < best {
			best = node
		}
	}
	return best
}
