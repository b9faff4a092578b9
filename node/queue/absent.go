package queue

import (
	"fmt"
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/node/dialplan"
)

// RuleWait is how long jobs wait for a line of the node that a dial rule names
// when it has none, as when it is down. Then the rule is passed over.
const RuleWait = 10 * time.Minute

// Absent is since when nodes that dial rules name have had no line at all, free
// or not.
type Absent map[string]fax.Millis

// See takes in what lines there are now.
func (a Absent) See(now fax.Millis, rules []fax.DialRule, lines []fax.LineState) {
	missing := make(map[string]bool)
	for _, r := range rules {
		missing[r.Node] = true
	}
	for _, l := range lines {
		delete(missing, l.Node)
	}
	for node := range a {
		if !missing[node] {
			delete(a, node)
		}
	}
	for node := range missing {
		if _, known := a[node]; !known {
			a[node] = now
		}
	}
}

// rule is the node that the rules give a number to, without nodes that have
// been absent for too long; note says so.
func (a Absent) rule(now fax.Millis, rules []fax.DialRule, number string) (node, note string, ruled bool) {
	for {
		node, ruled = dialplan.Node(rules, number)
		since, absent := a[node]
		if !ruled || !absent || now < since+fax.Millis(RuleWait.Milliseconds()) {
			return node, note, ruled
		}
		if note == "" {
			note = fmt.Sprintf("A dial rule gives this number to node %s, which has had no line since %s; another node dials.",
				node, since.Time().Format("2006-01-02 15:04 MST"))
		}
		gone := node
		rules = slices.DeleteFunc(slices.Clone(rules), func(r fax.DialRule) bool { return r.Node == gone })
	}
}
