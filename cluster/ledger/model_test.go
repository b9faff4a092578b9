package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"pgregory.net/rapid"
)

// model is the slow twin of the ledger: maps, written from the comments of the
// commands and from nothing else.
type model struct {
	accounts map[string]modelAccount // by folded name
	jobs     map[string]*modelJob
	received map[string]map[string]int // id -> folded names to which it is assigned -> their births
	events   map[string][]string       // folded name -> kinds, of its present life
	ended    map[string]fax.Millis     // sessions
	births   int
	entries  int // of the activity record
}

type modelAccount struct {
	rights fax.Rights
	born   int // 1, 2, 3…; 0 of a name without account
}

type modelJob struct {
	fax.Job
	born int // of its owner
}

func newModel() *model {
	return &model{accounts: map[string]modelAccount{}, jobs: map[string]*modelJob{}, received: map[string]map[string]int{},
		events: map[string][]string{}, ended: map[string]fax.Millis{}}
}

const taken = fax.Kind(255) // no refusal

// apply returns why the command has to be refused, or taken.
func (m *model) apply(c Command) fax.Kind {
	switch c := c.(type) {
	case AddAccount:
		if _, ok := m.accounts[fax.Fold(c.Account.Name)]; ok {
			return fax.Exists
		}
		m.births++
		m.accounts[fax.Fold(c.Account.Name)] = modelAccount{c.Account.Rights, m.births}
		m.entries++
	case SetRights:
		return m.setRights(fax.Fold(c.Name), c.Rights, true)
	case DropAccount:
		if kind := m.setRights(fax.Fold(c.Name), 0, false); kind != taken {
			return kind
		}
		delete(m.accounts, fax.Fold(c.Name))
		delete(m.events, fax.Fold(c.Name))
		m.entries++
	case Submit:
		return m.submit(c)
	case Assign:
		j := m.jobs[c.Job]
		switch {
		case j == nil:
			return fax.NotFound
		case j.State != fax.Queued || c.Attempt != j.Tries+1:
			return fax.Conflict
		}
		j.State, j.Tries, j.Reason = fax.Assigned, c.Attempt, ""
		j.Last = &fax.Attempt{Node: c.Node, Until: c.Until}
	case Progress:
		return m.progress(c)
	case Finish:
		return m.finish(c)
	case Direct:
		return m.direct(c)
	case Receive:
		if _, ok := m.received[c.Fax.ID]; ok {
			return taken
		}
		m.received[c.Fax.ID] = map[string]int{}
		m.give(c.Fax.ID, c.Fax.Assigned, "received")
		m.entries++
	case AssignFax:
		if _, ok := m.received[c.ID]; !ok {
			return fax.NotFound
		}
		for _, a := range c.Accounts {
			if _, ok := m.accounts[fax.Fold(a)]; !ok {
				return fax.NotFound
			}
		}
		if m.give(c.ID, c.Accounts, "assigned") {
			m.entries++
		}
	case EndSession:
		if c.Expires <= c.At {
			return fax.Invalid
		}
		if _, ok := m.ended[c.ID]; ok {
			return taken
		}
		maps.DeleteFunc(m.ended, func(_ string, expires fax.Millis) bool { return expires <= c.At })
		m.ended[c.ID] = c.Expires
		m.entries++
	}
	return taken
}

func (m *model) give(id string, accounts []string, event string) (any bool) {
	for _, a := range accounts {
		a = fax.Fold(a)
		if account, ok := m.accounts[a]; ok && m.received[id][a] != account.born {
			m.received[id][a] = account.born
			m.tell(a, account.born, event)
			any = true
		}
	}
	return any
}

func (m *model) setRights(name string, r fax.Rights, write bool) fax.Kind {
	old, ok := m.accounts[name]
	if !ok {
		return fax.NotFound
	}
	admins := 0
	for _, a := range m.accounts {
		if a.rights.Has(fax.MayAdminister) {
			admins++
		}
	}
	if admins == 1 && old.rights.Has(fax.MayAdminister) && !r.Has(fax.MayAdminister) {
		return fax.Conflict
	}
	if write && r != old.rights {
		m.accounts[name] = modelAccount{r, old.born}
		m.entries++
	}
	return taken
}

func (m *model) submit(c Submit) fax.Kind {
	if j := m.jobs[c.Job.ID]; j != nil {
		if !m.owns(c.Job.Owner, j) {
			return fax.Exists
		}
		return taken
	}
	j := &modelJob{c.Job, m.accounts[fax.Fold(c.Job.Owner)].born}
	j.State = fax.Queued
	m.jobs[j.ID] = j
	m.entries++
	m.tell(j.Owner, j.born, "queued")
	return taken
}

func (m *model) progress(c Progress) fax.Kind {
	j := m.jobs[c.Job]
	switch {
	case j == nil:
		return fax.NotFound
	case !j.State.Running() || c.Attempt != j.Tries || c.Node != j.Last.Node:
		return fax.Conflict
	case c.State != fax.Dialing && c.State != fax.Sending, c.Confirmed > j.Fax.Pages:
		return fax.Invalid
	}
	if j.State == fax.Assigned {
		m.entries++
		m.tell(j.Owner, j.born, "dialing")
	}
	if j.State != fax.Sending {
		j.State = c.State
	}
	if c.Confirmed > j.Confirmed {
		j.Confirmed = c.Confirmed
		m.tell(j.Owner, j.born, "page")
	}
	j.Last.Until = max(j.Last.Until, c.Until)
	return taken
}

func (m *model) finish(c Finish) fax.Kind {
	j := m.jobs[c.Job]
	switch {
	case j == nil:
		return fax.NotFound
	case c.Attempt >= 1 && c.Attempt < j.Tries:
		return taken
	case j.Last == nil || c.Attempt != j.Tries || c.Node != j.Last.Node:
		return fax.Conflict
	case !j.State.Running():
		return taken
	case c.State == fax.Held, c.Confirmed > j.Fax.Pages, c.State == fax.Done && max(j.Confirmed, c.Confirmed) != j.Fax.Pages:
		return fax.Invalid
	}
	if c.Confirmed > j.Confirmed {
		m.tell(j.Owner, j.born, "page")
	}
	j.State, j.Confirmed = c.State, max(j.Confirmed, c.Confirmed)
	if c.State == fax.Queued && j.Reason != "" {
		j.State = fax.Cancelled
	}
	if j.State != fax.Cancelled || j.Reason == "" {
		j.Reason = c.Reason
	}
	if j.Confirmed == j.Fax.Pages && c.State != fax.Done {
		j.State, j.Reason = fax.Done, ""
	}
	m.entries++
	m.tell(j.Owner, j.born, map[fax.State]string{fax.Done: "sent", fax.Undone: "failed", fax.Cancelled: "cancelled", fax.Queued: "retry"}[j.State])
	return taken
}

func (m *model) direct(c Direct) fax.Kind {
	j := m.jobs[c.Job]
	switch {
	case j == nil:
		return fax.NotFound
	case c.State != fax.Held && c.State != fax.Queued && c.State != fax.Cancelled:
		return fax.Invalid
	case j.State == c.State:
		return taken
	case j.State.Ended():
		return fax.Conflict
	case j.State.Running() && c.State != fax.Cancelled:
		return fax.Conflict
	case j.State.Running() && j.Reason != "":
		return taken
	}
	m.entries++
	if c.State == fax.Cancelled {
		j.Reason = "cancelled by " + c.By
	}
	if j.State.Running() {
		return taken
	}
	j.State = c.State
	if c.State != fax.Held {
		m.tell(j.Owner, j.born, string(c.State))
	}
	return taken
}

// owns reports whether a job is one of the account that has the name now.
func (m *model) owns(name string, j *modelJob) bool {
	return fax.Fold(j.Owner) == fax.Fold(name) && j.born == m.accounts[fax.Fold(name)].born
}

func (m *model) tell(account string, born int, kind string) {
	if a, ok := m.accounts[fax.Fold(account)]; ok && a.born == born {
		m.events[fax.Fold(account)] = append(m.events[fax.Fold(account)], kind)
	}
}

var sessions = []string{"s", "t", "u"}

// names and the like are few, so that commands meet.
var (
	someAccount = rapid.SampledFrom([]string{"a", "B", "b", "c"})
	someSession = rapid.SampledFrom(sessions)
	someJob     = rapid.SampledFrom([]string{"j", "k"})
	someNode    = rapid.SampledFrom([]string{"north", "north", "north", "north", "north", "south"})
	someRights  = rapid.SampledFrom([]fax.Rights{fax.Individual, fax.Administrator})
	someState   = rapid.SampledFrom(states[:])
	someSlip    = rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, -1, 1})
	someTime    = rapid.Custom(func(t *rapid.T) fax.Millis { return fax.Millis(rapid.IntRange(1, 50).Draw(t, "at")) })
)

// someCommand draws one of those that the model knows: most often one that goes
// on with what there is, else one that comes too late, too early or twice.
func (m *model) someCommand(t *rapid.T) Command {
	at, pages := someTime.Draw(t, "time"), rapid.IntRange(0, 2).Draw(t, "pages")
	id := someJob.Draw(t, "id")
	attempt := someSlip.Draw(t, "slip")
	if j := m.jobs[id]; j != nil {
		attempt += j.Tries
	}
	switch rapid.IntRange(0, 15).Draw(t, "command") {
	case 0:
		c := account(someAccount.Draw(t, "name"), someRights.Draw(t, "rights"))
		c.Account.Created = at
		return c
	case 1:
		return SetRights{Name: someAccount.Draw(t, "name"), Rights: someRights.Draw(t, "rights"), By: "a", At: at}
	case 2:
		return DropAccount{Name: someAccount.Draw(t, "name"), By: "a", At: at}
	case 3, 4:
		c := job(id, someAccount.Draw(t, "owner"), 2)
		c.Job.Submitted = at
		return c
	case 5, 6, 7:
		return Assign{Job: id, Attempt: attempt + 1, Node: someNode.Draw(t, "node"), Line: "1", At: at, Until: at + 10}
	case 8, 9:
		state := rapid.SampledFrom([]fax.State{fax.Dialing, fax.Sending, fax.Sending, fax.Queued}).Draw(t, "state")
		return Progress{Job: id, Attempt: attempt, Node: someNode.Draw(t, "node"), State: state, Confirmed: pages, At: at, Until: at + 20}
	case 10:
		state := rapid.SampledFrom([]fax.State{fax.Done, fax.Undone, fax.Cancelled, fax.Queued, fax.Queued, fax.Queued, fax.Held}).Draw(t, "state")
		return Finish{Job: id, Attempt: attempt, Node: someNode.Draw(t, "node"), State: state, Confirmed: pages, Reason: "because", At: at}
	case 11, 12:
		return Direct{Job: id, State: someState.Draw(t, "state"), By: "a", Node: "north", At: at}
	case 13:
		return Receive{fax.ReceivedFax{ID: id, Node: "south", At: at, Fax: fax.Document{Hash: hashOf(int(at)), Pages: 1},
			Assigned: rapid.SliceOfN(someAccount, 0, 3).Draw(t, "for")}}
	case 14:
		expires := at + fax.Millis(rapid.IntRange(0, 30).Draw(t, "life"))
		return EndSession{ID: someSession.Draw(t, "session"), Account: someAccount.Draw(t, "name"), Expires: expires, Node: "north", At: at}
	}
	return AssignFax{ID: id, Accounts: rapid.SliceOfN(someAccount, 0, 2).Draw(t, "for"), By: "a", Node: "north", At: at}
}

// describe is what the model knows, as text.
func (m *model) describe() string {
	var lines []string
	for name, a := range m.accounts {
		lines = append(lines, fmt.Sprintf("account %s %s, told %v", name, a.rights, m.events[name]))
	}
	for id, j := range m.jobs {
		lines = append(lines, describeJob(id, &j.Job))
	}
	for id, who := range m.received {
		lines = append(lines, fmt.Sprintf("received %s for %v", id, slices.Sorted(maps.Keys(who))))
	}
	for id := range m.ended {
		lines = append(lines, "ended "+id)
	}
	slices.Sort(lines)
	return strings.Join(append(lines, fmt.Sprintf("%d entries", m.entries)), "\n")
}

func describeJob(id string, j *fax.Job) string {
	line := fmt.Sprintf("job %s of %s: %s after %d, %d confirmed, %q", id, j.Owner, j.State, j.Tries, j.Confirmed, j.Reason)
	if j.Last != nil {
		line += fmt.Sprintf(", at %s until %d", j.Last.Node, j.Last.Until)
	}
	return line
}
