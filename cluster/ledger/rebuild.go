package ledger

import (
	"fmt"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// maxRebuilt is how many jobs one Rebuild deals with.
const maxRebuilt = 250

// rebuiltBehind is how long a call that was under way when the backup was made
// may still run.
const rebuiltBehind = fax.Millis(4 * 60 * 60 * 1000)

// apply changes the members once, and some of the jobs each time.
func (c Rebuild) apply(d *draft) (*fax.Job, error) {
	if old := load[fax.Node](d, inNodes, c.Node.Name); old == nil || old.Fingerprint != c.Node.Fingerprint {
		if err := c.found(d); err != nil {
			return nil, err
		}
	}
	for _, j := range c.jobs(d) {
		c.settle(d, j)
	}
	return nil, nil
}

// found begins a new era with one member.
func (c Rebuild) found(d *draft) error {
	era := d.number(inMeta, keyEra) + 1
	d.put(inMeta, keyEra, []byte(number64(era)))
	var gone []string
	rules := 0
	for _, n := range all[fax.Node](d, inNodes) {
		if n.Name == c.Node.Name {
			rules += d.revoke(n, c.Node.Name, c.At, era, false)
		} else {
			rules += d.revoke(n, c.Node.Name, c.At, era, true)
		}
		gone = append(gone, n.Name)
	}
	for _, t := range all[tokenRecord](d, inTokens) {
		d.delete(inTokens, t.Hash)
	}
	d.record(fax.Activity{At: c.At, Who: c.Node.Name, Node: c.Node.Name, What: "restore", Object: c.Node.Name,
		Detail: fmt.Sprintf("from the backup made %s; recovery %d goes on without the nodes of before, %s; %d dial rules went with them",
			c.Made.Time().Format("2006-01-02 15:04:05 MST"), era, list(gone), rules)})
	_, err := PutNode{Node: c.Node}.apply(d)
	return err
}

// jobs are the next to be settled: those that are under way, or wait to be sent,
// and those that a node kept to itself.
func (c Rebuild) jobs(d *draft) (jobs []*jobRecord) {
	seen := map[string]bool{}
	take := func(id string, wanted func(*jobRecord) bool) bool {
		if !seen[id] {
			seen[id] = true
			if j := load[jobRecord](d, inJobs, id); j != nil && wanted(j) { // or there would be no end
				jobs = append(jobs, j)
			}
		}
		return len(jobs) < maxRebuilt
	}
	for _, s := range c.unsettled() {
		prefix := queuePrefix(owner{}, s)
		cur := d.state.cursor(inQueue)
		for k, _ := cur.Seek([]byte(prefix)); hasPrefix(k, prefix); k, _ = cur.Next() {
			if !take(string(k[len(prefix)+8:]), func(j *jobRecord) bool { return j.State == s }) {
				return jobs
			}
		}
	}
	cur := d.state.cursor(inAlone)
	for k, _ := cur.Seek(nil); k != nil; k, _ = cur.Next() {
		_, id, _ := strings.Cut(string(k), "\x00")
		if !take(id, func(j *jobRecord) bool { return j.Alone != "" }) {
			break
		}
	}
	return jobs
}

// unsettled are the states in which no job is left.
func (c Rebuild) unsettled() []fax.State {
	if c.Resume {
		return []fax.State{fax.Assigned, fax.Dialing, fax.Sending}
	}
	return []fax.State{fax.Assigned, fax.Dialing, fax.Sending, fax.Queued}
}

// settle holds a job that may have been sent since the backup was made, or with
// Resume lets it go on as one whose call nobody saw end.
func (c Rebuild) settle(d *draft, old *jobRecord) {
	j := *old
	j.Alone = ""
	if old.State == fax.Held || old.State.Ended() || old.State == fax.Queued && c.Resume {
		d.storeJob(old, &j)
		return
	}
	made := c.Made.Time().Format("2006-01-02 15:04 MST")
	reason := fmt.Sprintf("held since the restore: it may have been sent after the backup of %s was made; resume it if it was not", made)
	if old.State.Running() {
		last := *old.Last
		last.Ended = c.At
		last.Reason = fmt.Sprintf("attempt %d at node %s was under way when the backup of %s was made; nobody knows how it ended", last.Number, last.Node, made)
		j.Last = &last
		reason = "held since the restore: " + last.Reason + "; resume it if it was not sent"
	}
	j.State, j.Reason, j.Updated = fax.Held, reason, c.At
	what := "hold"
	if c.Resume {
		j.State, j.Reason, j.NotBefore, what = fax.Queued, j.Last.Reason, max(j.NotBefore, c.Made+rebuiltBehind), "retry"
	}
	j.Reason = clip(j.Reason, fax.MaxReason)
	d.storeJob(old, &j)
	d.record(fax.Activity{At: c.At, Who: c.Node.Name, Node: c.Node.Name, What: what, Object: j.ID, Detail: j.Reason})
	if c.Resume {
		d.tellOwner(&j, fax.EventRetry, c.Node.Name, j.Reason)
	}
}

// Unsettled reports whether another Rebuild would find jobs to deal with.
func (l *Ledger) Unsettled(c Rebuild) (left bool, err error) {
	err = l.view(func(st state) error {
		d := newDraft(st, 0)
		left = len(c.jobs(d)) > 0
		return d.fault
	})
	return left, err
}
