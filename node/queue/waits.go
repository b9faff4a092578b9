package queue

import (
	"fmt"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/node/dialplan"
)

// free is the state of a line that can make a call, as package lines tells it.
const free = "free"

// Waits says in a sentence what a queued job that is due waits for, as far as
// rules and lines tell; "" if it will be dialled in a moment, or is not due.
func Waits(now fax.Millis, j *fax.Job, rules []fax.DialRule, lines []fax.LineState) string {
	if j.State != fax.Queued || j.NotBefore > now || j.Alone != "" {
		return ""
	}
	node, ruled := dialplan.Node(rules, j.Number)
	count, idle := 0, 0
	for _, l := range lines {
		if ruled && l.Node != node {
			continue
		}
		count++
		if l.State == free {
			idle++
		}
	}
	switch {
	case idle > 0:
		return ""
	case ruled && count == 0:
		return fmt.Sprintf("A dial rule gives this number to node %s, which has no line now; if that lasts for %d minutes another node dials.", node, int(RuleWait.Minutes()))
	case ruled:
		return fmt.Sprintf("A dial rule gives this number to node %s, and none of its %d lines is free.", node, count)
	case count == 0:
		return "No node has a line now."
	}
	return fmt.Sprintf("None of the %d lines is free.", count)
}
