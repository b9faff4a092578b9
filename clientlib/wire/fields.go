package wire

import (
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// fields holds a message's fields to their limits. The first fault sticks, so
// that a Check reads like a list.
type fields struct{ err error }

func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fax.Errorf(fax.Invalid, format, args...)
	}
}

func (f *fields) text(what, s string, limit int) {
	if len(s) > limit {
		f.fail("%s is %d octets long, at most %d are allowed", what, len(s), limit)
	}
}

// id accepts what may name a job, a fax or an upload in a request.
func (f *fields) id(what, s string) {
	if s == "" {
		f.fail("%s is missing", what)
	}
	f.text(what, s, MaxID)
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			f.fail("%s %q has the character %q; ids are made of a-z and 0-9", what, s, r)
			return
		}
	}
}

func (f *fields) hash(what, s string) {
	if s == "" {
		return
	}
	if len(s) != hexSHA256 || strings.Trim(s, "0123456789abcdef") != "" {
		f.fail("%s is no SHA-256 in lower-case hexadecimal", what)
	}
}

func (f *fields) count(what string, n, limit int) {
	if n < 0 || n > limit {
		f.fail("%s: %d, at most %d are allowed", what, n, limit)
	}
}

func (f *fields) names(what string, names []string, limit int) {
	f.count(what, len(names), limit)
	for _, name := range names {
		f.text(what, name, fax.MaxName)
	}
}

func (f *fields) document(d fax.Document) {
	f.hash("the document's hash", d.Hash)
	if d.Size < 0 || d.Pages < 0 {
		f.fail("the document has a negative size")
	}
}

func (f *fields) job(j *fax.Job) {
	f.text("the job's id", j.ID, MaxID)
	f.text("the job's owner", j.Owner, fax.MaxName)
	f.text("the job's number", j.Number, fax.MaxNumber)
	f.text("the job's title", j.Title, fax.MaxTitle)
	f.text("the job's state", string(j.State), fax.MaxName)
	f.text("the job's home", j.Home, fax.MaxName)
	f.text("the job's reason", j.Reason, fax.MaxReason)
	f.text("what the job waits for", j.Waits, fax.MaxReason)
	f.document(j.Source)
	f.document(j.Fax)
	if a := j.Last; a != nil {
		f.text("the attempt's node", a.Node, fax.MaxName)
		f.text("the attempt's line", a.Line, fax.MaxName)
		f.text("the attempt's reason", a.Reason, fax.MaxReason)
		f.text("the attempt's remote station", a.Remote, MaxText)
		f.text("the attempt's details", a.Details, MaxText)
	}
}

func (f *fields) received(r *fax.ReceivedFax) {
	f.text("the fax's id", r.ID, MaxID)
	f.text("the fax's node", r.Node, fax.MaxName)
	f.text("the fax's line", r.Line, fax.MaxName)
	f.text("the fax's called number", r.Called, fax.MaxNumber)
	f.text("the fax's caller", r.Caller, MaxText)
	f.text("the fax's caller's name", r.Name, MaxText)
	f.text("the fax's ring", r.Ring, MaxText)
	f.text("the fax's remote station", r.Remote, MaxText)
	f.text("the fax's reason", r.Reason, fax.MaxReason)
	f.text("the fax's details", r.Details, MaxText)
	f.document(r.Fax)
	// Assigned again and again, a fax may come to more than one order allows.
	f.names("the accounts of a fax", r.Assigned, MaxList)
}

func (f *fields) event(e *fax.Event) {
	if e.Seq == 0 {
		f.fail("an event has no number")
	}
	f.text("the event's account", e.Account, fax.MaxName)
	f.text("the event's kind", string(e.Kind), fax.MaxName)
	f.text("the event's fax", e.Fax, MaxID)
	f.text("the event's node", e.Node, fax.MaxName)
	f.text("the event's number", e.Number, MaxText)
	f.text("the event's text", e.Text, fax.MaxReason)
}

func (f *fields) node(n *fax.Node) {
	f.text("the node's name", n.Name, fax.MaxName)
	f.text("the node's cluster address", n.PeerAddr, MaxHost)
	f.text("the node's client address", n.ClientAddr, MaxHost)
	for _, fingerprint := range []string{n.Fingerprint, n.Next, n.Was} {
		f.text("the node's fingerprint", fingerprint, hexSHA256)
	}
}

func (f *fields) line(l *fax.LineState) {
	f.text("the line's node", l.Node, fax.MaxName)
	f.text("the line's name", l.Name, fax.MaxName)
	f.text("the line's number", l.Number, fax.MaxNumber)
	f.text("the line's state", l.State, MaxText)
	f.text("the line's job", l.Job, MaxID)
	f.text("the line's kind", l.Kind, fax.MaxName)
}
