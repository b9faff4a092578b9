package ledger

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Limits on what a job's commands may say.
const (
	maxID    = 64
	MaxPages = 10_000
	maxLost  = 64                              // attempts of a job of which nobody has seen the end
	MaxLease = fax.Millis(24 * 60 * 60 * 1000) // from the command's At
)

// jobRecord is a job as stored.
type jobRecord struct {
	fax.Job `msgpack:",inline"`
	Born    uint64 `msgpack:"ob"` // of the account that is its Owner
	Lost    []lost `msgpack:"lo,omitempty"`
}

// lost is an attempt of which nobody has seen the end, so far.
type lost struct {
	Attempt int    `msgpack:"n"`
	Node    string `msgpack:"d"`
}

func (j *jobRecord) owner() owner { return owner{j.Owner, j.Born} }

func (c Submit) apply(d *draft) (*fax.Job, error) {
	if err := checkJob(c.Job); err != nil {
		return nil, err
	}
	submitter := d.owner(c.Job.Owner)
	if old := load[jobRecord](d, inJobs, c.Job.ID); old != nil {
		if !old.owner().is(submitter) {
			return nil, fax.Errorf(fax.Exists, "there is a job %q of somebody else; submit under another id", c.Job.ID)
		}
		return &old.Job, nil
	}
	j := jobRecord{Job: c.Job, Born: submitter.Born}
	if j.Alone != d.alone {
		j.Alone = "" // only a node that takes a job alone keeps it to itself
	}
	if j.State != fax.Held {
		j.State = fax.Queued
	}
	j.Confirmed, j.Tries, j.Last, j.Reason, j.Waits, j.Updated = 0, 0, nil, "", "", j.Submitted
	d.storeJob(nil, &j)
	for _, doc := range []fax.Document{j.Source, j.Fax} {
		if doc.Hash != "" {
			d.mark(inDocs, doc.Hash)
		}
	}
	d.record(fax.Activity{At: j.Submitted, Who: j.Owner, Node: j.Home, What: "submit", Object: j.ID,
		Detail: fmt.Sprintf("to %s, %d pages", j.Number, j.Fax.Pages)})
	d.tellOwner(&j, fax.EventQueued, j.Home, "")
	return &j.Job, nil
}

func (c Assign) apply(d *draft) (*fax.Job, error) {
	old, err := d.job(c.Job)
	if err != nil {
		return nil, err
	}
	if old.State != fax.Queued || c.Attempt != old.Tries+1 {
		return &old.Job, fax.Errorf(fax.Conflict, "job %s is %s after %d attempts; attempt %d cannot be assigned", c.Job, old.State, old.Tries, c.Attempt)
	}
	if old.Alone != "" && (old.Alone != c.Node || d.alone != c.Node) {
		return &old.Job, fax.Errorf(fax.Conflict, "node %s has taken job %s while it was cut off and has not told all of it yet", old.Alone, c.Job)
	}
	if err := fax.CheckName("node", c.Node); err != nil {
		return &old.Job, err
	}
	if err := fax.CheckName("line", c.Line); err != nil {
		return &old.Job, err
	}
	if c.Until <= c.At || c.Until > c.At+MaxLease {
		return &old.Job, fax.Errorf(fax.Invalid, "the lease of job %s would last %d ms; 1 to %d are allowed", c.Job, c.Until-c.At, MaxLease)
	}
	j := *old
	j.State, j.Tries, j.Reason, j.Updated = fax.Assigned, c.Attempt, "", c.At
	j.Last = &fax.Attempt{Number: c.Attempt, Node: c.Node, Line: c.Line, Begun: c.At, Until: c.Until, Note: clip(c.Note, fax.MaxReason)}
	d.storeJob(old, &j)
	return &j.Job, nil
}

func (c Progress) apply(d *draft) (*fax.Job, error) {
	old, err := d.job(c.Job)
	if err != nil {
		return nil, err
	}
	if err := checkAttempt(old, c.Attempt, c.Node); err != nil {
		return &old.Job, err
	}
	switch {
	case !old.State.Running():
		return &old.Job, fax.Errorf(fax.Conflict, "attempt %d of job %s has ended", c.Attempt, c.Job)
	case c.State != fax.Dialing && c.State != fax.Sending:
		return &old.Job, fax.Errorf(fax.Invalid, "an attempt goes on as dialing or sending, not as %.20q", c.State)
	case c.Until > c.At+MaxLease:
		return &old.Job, fax.Errorf(fax.Invalid, "the lease of job %s would last %d ms; at most %d are allowed", c.Job, c.Until-c.At, MaxLease)
	}
	if err := checkConfirmed(old, c.Confirmed); err != nil {
		return &old.Job, err
	}
	j, last := *old, *old.Last
	j.Last = &last
	if old.State != fax.Sending { // a late renewal does not turn back what has begun
		j.State = c.State
	}
	j.Confirmed = max(old.Confirmed, c.Confirmed)
	j.Updated = c.At
	last.Until = max(last.Until, c.Until)
	if c.Details != "" {
		last.Details = clip(c.Details, fax.MaxTitle)
	}
	d.storeJob(old, &j)
	if old.State == fax.Assigned {
		d.record(fax.Activity{At: c.At, Who: c.Node, Node: c.Node, What: "dial", Object: j.ID,
			Detail: fmt.Sprintf("%s on line %s, attempt %d", j.Number, last.Line, c.Attempt)})
		d.tellOwner(&j, fax.EventDialing, c.Node, "")
	}
	if j.Confirmed > old.Confirmed {
		d.tellOwner(&j, fax.EventPage, c.Node, "")
	}
	return &j.Job, nil
}

// endings are the states in which Finish may leave a job, with what is
// recorded and told.
var endings = map[fax.State]struct {
	what string
	tell fax.EventKind
}{
	fax.Done:      {"sent", fax.EventSent},
	fax.Undone:    {"failed", fax.EventFailed},
	fax.Cancelled: {"cancelled", fax.EventCancelled},
	fax.Queued:    {"retry", fax.EventRetry},
}

func (c Finish) apply(d *draft) (*fax.Job, error) {
	old, err := d.job(c.Job)
	if err != nil {
		return nil, err
	}
	if i := slices.Index(old.Lost, lost{c.Attempt, c.Node}); i >= 0 && !c.Lost {
		return d.found(old, i, c)
	}
	if c.Attempt >= 1 && c.Attempt < old.Tries {
		return &old.Job, nil // a later one began, so this one ended
	}
	if err := checkAttempt(old, c.Attempt, c.Node); err != nil {
		return &old.Job, err
	}
	if !old.State.Running() {
		return &old.Job, nil
	}
	state := c.State
	if state == fax.Queued && old.Reason != "" {
		state = fax.Cancelled // ordered while the attempt ran: no other follows
	}
	ending, ok := endings[state]
	if !ok {
		return &old.Job, fax.Errorf(fax.Invalid, "an attempt ends as sent, failed, cancelled or queued, not as %.20q", c.State)
	}
	if err := checkConfirmed(old, c.Confirmed); err != nil {
		return &old.Job, err
	}
	j, last := *old, *old.Last
	j.Last = &last
	j.State, j.Confirmed, j.Updated = state, max(old.Confirmed, c.Confirmed), c.At
	if j.Fax.Pages > 0 && j.Confirmed >= j.Fax.Pages && state != fax.Done { // an earlier attempt has turned out to have sent it
		state, c.Status, c.Reason = fax.Done, 0, ""
		j.State, ending = state, endings[state]
	}
	if state == fax.Done && j.Confirmed < j.Fax.Pages {
		return &old.Job, fax.Errorf(fax.Invalid, "job %s cannot be sent with %d of %d pages confirmed", c.Job, j.Confirmed, j.Fax.Pages)
	}
	last.Ended, last.Status = c.At, c.Status
	last.Reason, last.Remote = clip(c.Reason, fax.MaxReason), clip(c.Remote, fax.MaxName)
	if c.Details != "" {
		last.Details = clip(c.Details, fax.MaxTitle)
	}
	if c.Lost && len(j.Lost) < maxLost {
		j.Lost = append(slices.Clone(j.Lost), lost{c.Attempt, c.Node})
	}
	j.Reason = last.Reason
	if state == fax.Cancelled && old.Reason != "" {
		j.Reason = old.Reason
	}
	if state == fax.Queued {
		j.NotBefore = c.NotBefore
	}
	d.storeJob(old, &j)
	d.record(fax.Activity{At: c.At, Who: c.Node, Node: c.Node, What: ending.what, Object: j.ID,
		Detail: clip(fmt.Sprintf("%s, attempt %d, status %d, %d pages confirmed: %s", j.Number, c.Attempt, c.Status, j.Confirmed, j.Reason), maxDetail)})
	if j.Confirmed > old.Confirmed { // the last page and the end came together
		d.tellOwner(&j, fax.EventPage, c.Node, "")
	}
	d.tellOwner(&j, ending.tell, c.Node, j.Reason)
	return &j.Job, nil
}

func (c Direct) apply(d *draft) (*fax.Job, error) {
	old, err := d.job(c.Job)
	if err != nil {
		return nil, err
	}
	j := *old
	j.Updated = c.At
	var tell fax.EventKind
	switch {
	case c.State != fax.Held && c.State != fax.Queued && c.State != fax.Cancelled:
		return &old.Job, fax.Errorf(fax.Invalid, "a job can be held, resumed or cancelled; %.20q is none of these", c.State)
	case old.State == c.State, c.State == fax.Cancelled && old.State.Running() && old.Reason != "":
		return &old.Job, nil
	case old.State.Ended():
		return &old.Job, fax.Errorf(fax.Conflict, "job %s is %s already", c.Job, old.State)
	case c.State == fax.Cancelled:
		j.Reason = "cancelled by " + clip(who(c.By, c.Node), fax.MaxName)
		if !old.State.Running() {
			j.State, tell = fax.Cancelled, fax.EventCancelled
		}
	case old.State.Running():
		return &old.Job, fax.Errorf(fax.Conflict, "job %s is %s; it can only be cancelled now", c.Job, old.State)
	default:
		j.State = c.State
		if c.State == fax.Queued {
			tell = fax.EventQueued
		}
	}
	d.storeJob(old, &j)
	what := map[fax.State]string{fax.Held: "hold", fax.Queued: "resume", fax.Cancelled: "cancel"}[c.State]
	d.record(fax.Activity{At: c.At, Who: who(c.By, c.Node), Node: c.Node, What: what, Object: j.ID})
	if tell != "" {
		d.tellOwner(&j, tell, c.Node, j.Reason)
	}
	return &j.Job, nil
}

func (d *draft) job(id string) (*jobRecord, error) {
	j := load[jobRecord](d, inJobs, id)
	if j == nil {
		return nil, fax.Errorf(fax.NotFound, "there is no job %.80q", id)
	}
	return j, nil
}

// storeJob puts a job, and moves it in the queue index from where old was.
func (d *draft) storeJob(old, j *jobRecord) {
	for _, o := range []owner{{}, j.owner()} {
		if old != nil && old.State != j.State {
			d.delete(inQueue, queueKey(o, old.State, old.Submitted, old.ID))
		}
		d.mark(inQueue, queueKey(o, j.State, j.Submitted, j.ID))
	}
	if j.State.Ended() {
		j.Alone = ""
	}
	switch {
	case j.Alone != "":
		d.mark(inAlone, aloneKey(j.Alone, j.ID))
	case old != nil && old.Alone != "":
		d.delete(inAlone, aloneKey(old.Alone, j.ID))
	}
	d.store(inJobs, j.ID, j)
}

func (d *draft) tellOwner(j *jobRecord, kind fax.EventKind, node, text string) {
	d.tell(j.owner(), fax.Event{Kind: kind, Fax: j.ID, Node: node, At: j.Updated, Number: j.Number,
		Page: j.Confirmed, Pages: j.Fax.Pages, Text: text})
}

// checkAttempt wants the newest attempt, and the node that has it.
func checkAttempt(j *jobRecord, attempt int, node string) error {
	if j.Last == nil || attempt != j.Tries || node != j.Last.Node {
		return fax.Errorf(fax.Conflict, "attempt %d of job %s is not one of node %.64q", attempt, j.ID, node)
	}
	return nil
}

func checkConfirmed(j *jobRecord, confirmed int) error {
	if confirmed < 0 || confirmed > MaxPages || j.Fax.Pages > 0 && confirmed > j.Fax.Pages {
		return fax.Errorf(fax.Invalid, "job %s has %d pages; %d cannot be confirmed", j.ID, j.Fax.Pages, confirmed)
	}
	return nil
}

func checkJob(j fax.Job) error {
	if err := checkID("job", j.ID); err != nil {
		return err
	}
	if err := fax.CheckName("account", j.Owner); err != nil {
		return err
	}
	if err := fax.CheckName("node", j.Home); err != nil {
		return err
	}
	if j.Alone != "" && j.Alone != j.Home {
		return fax.Errorf(fax.Invalid, "job %s was submitted to node %s and cannot be kept by %.64q", j.ID, j.Home, j.Alone)
	}
	if err := fax.CheckNumber(j.Number); err != nil {
		return err
	}
	if len(j.Title) > fax.MaxTitle || !utf8.ValidString(j.Title) {
		return fax.Errorf(fax.Invalid, "the title of job %s is not UTF-8 of at most %d octets", j.ID, fax.MaxTitle)
	}
	if j.Submitted < 0 {
		return fax.Errorf(fax.Invalid, "job %s was submitted before 1970; check the clock", j.ID)
	}
	if err := checkDocument(j.Fax); err != nil {
		return err
	}
	if j.Source == (fax.Document{}) {
		return nil
	}
	return checkDocument(j.Source)
}

func checkDocument(doc fax.Document) error {
	if doc.Size < 0 || doc.Pages < 0 || doc.Pages > MaxPages {
		return fax.Errorf(fax.Invalid, "a document of %d octets and %d pages; at most %d pages are allowed", doc.Size, doc.Pages, MaxPages)
	}
	return checkDigest("document", doc.Hash)
}

// checkID wants 1 to 64 printable ASCII characters without spaces.
func checkID(what, id string) error {
	if id == "" || len(id) > maxID {
		return fax.Errorf(fax.Invalid, "the id of a %s has 1 to %d characters; %.80q has %d", what, maxID, id, len(id))
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return fax.Errorf(fax.Invalid, "the id %q of the %s is not printable ASCII without spaces", id, what)
		}
	}
	return nil
}
