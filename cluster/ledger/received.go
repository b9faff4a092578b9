package ledger

import (
	"slices"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// receivedRecord is a received fax as stored.
type receivedRecord struct {
	fax.ReceivedFax `msgpack:",inline"`
	Born            []uint64 `msgpack:"ab"` // of each of the accounts in Assigned
}

// isFor reports whether the fax is assigned to an owner.
func (f *receivedRecord) isFor(o owner) bool {
	i := f.place(o.Name)
	return i >= 0 && f.Born[i] == o.Born
}

// place is where in Assigned an account of the name is, -1 if nowhere.
func (f *receivedRecord) place(name string) int {
	f.Born = append(f.Born, make([]uint64, max(len(f.Assigned)-len(f.Born), 0))...)
	return slices.IndexFunc(f.Assigned, func(a string) bool { return fax.Fold(a) == fax.Fold(name) })
}

// Receive refuses only what could not be found again. Texts from the far end
// that are too long are cut, and accounts that are gone are left out: a fax
// whose pages have been confirmed has to be filed.
func (c Receive) apply(d *draft) (*fax.Job, error) {
	f := receivedRecord{ReceivedFax: c.Fax}
	if err := checkID("received fax", f.ID); err != nil {
		return nil, err
	}
	if err := fax.CheckName("node", f.Node); err != nil {
		return nil, err
	}
	if f.Fax != (fax.Document{}) { // a call that ended before a page has none
		if err := checkDocument(f.Fax); err != nil {
			return nil, err
		}
	}
	if d.has(inReceived, f.ID) {
		return nil, nil
	}
	f.At = max(f.At, 0)
	f.Line, f.Remote = clip(f.Line, fax.MaxName), clip(f.Remote, fax.MaxName)
	f.Name, f.Ring = clip(f.Name, fax.MaxName), clip(f.Ring, fax.MaxName)
	f.Called, f.Caller = clip(f.Called, fax.MaxNumber), clip(f.Caller, fax.MaxNumber)
	f.Reason, f.Details = clip(f.Reason, fax.MaxReason), clip(f.Details, fax.MaxTitle)
	assigned, _ := d.existing(f.Assigned)
	assigned = assigned[:min(len(assigned), fax.MaxAssign)]
	f.Assigned = nil
	d.assign(&f, assigned)
	d.mark(inDrawers, drawerKey(owner{}, f.At, f.ID))
	if f.Fax.Hash != "" {
		d.mark(inDocs, f.Fax.Hash)
	}
	d.record(fax.Activity{At: f.At, Who: f.Node, Node: f.Node, What: "receive", Object: f.ID,
		Detail: "from " + sender(f.ReceivedFax) + " on line " + f.Line + " for " + list(f.Assigned)})
	d.tellOf(&f, assigned, fax.EventReceived, f.Node, f.At)
	return nil, nil
}

func (c AssignFax) apply(d *draft) (*fax.Job, error) {
	f := load[receivedRecord](d, inReceived, c.ID)
	if f == nil {
		return nil, fax.Errorf(fax.NotFound, "there is no received fax %.80q", c.ID)
	}
	if len(c.Accounts) > fax.MaxAssign {
		return nil, fax.Errorf(fax.TooLarge, "a fax cannot be assigned to %d accounts; at most %d are allowed", len(c.Accounts), fax.MaxAssign)
	}
	added, missing := d.existing(c.Accounts)
	if missing != "" {
		return nil, fax.Errorf(fax.NotFound, "there is no account %q to assign the fax to", missing)
	}
	added = slices.DeleteFunc(added, f.isFor)
	if len(added) == 0 {
		return nil, nil
	}
	d.assign(f, added)
	if len(f.Assigned) > fax.MaxAssign {
		return nil, fax.Errorf(fax.TooLarge, "the fax would be assigned to %d accounts; at most %d are allowed", len(f.Assigned), fax.MaxAssign)
	}
	d.record(fax.Activity{At: c.At, Who: who(c.By, c.Node), Node: c.Node, What: "assign", Object: f.ID, Detail: "to " + list(namesOf(added))})
	d.tellOf(f, added, fax.EventAssigned, c.Node, c.At)
	return nil, nil
}

// assign lays a received fax into drawers and stores it. Who has the name of an
// account that is gone takes its place.
func (d *draft) assign(f *receivedRecord, to []owner) {
	for _, o := range to {
		if i := f.place(o.Name); i >= 0 {
			d.delete(inDrawers, drawerKey(owner{f.Assigned[i], f.Born[i]}, f.At, f.ID))
			f.Assigned[i], f.Born[i] = o.Name, o.Born
		} else {
			f.Assigned, f.Born = append(f.Assigned, o.Name), append(f.Born, o.Born)
		}
		d.mark(inDrawers, drawerKey(o, f.At, f.ID))
	}
	d.store(inReceived, f.ID, *f)
}

// tellOf tells accounts of a received fax.
func (d *draft) tellOf(f *receivedRecord, accounts []owner, kind fax.EventKind, node string, at fax.Millis) {
	for _, o := range accounts {
		d.tell(o, fax.Event{Kind: kind, Fax: f.ID, Node: node, At: at, Number: sender(f.ReceivedFax),
			Page: f.Fax.Pages, Pages: f.Fax.Pages, Text: f.Reason})
	}
}

// sender is what is known of where a fax came from.
func sender(f fax.ReceivedFax) string {
	for _, s := range []string{f.Caller, f.Remote} {
		if s != "" {
			return s
		}
	}
	return ""
}

func (c Note) apply(d *draft) (*fax.Job, error) {
	d.record(c.Activity)
	return nil, nil
}

// list names accounts as people read them.
func list(accounts []string) string {
	if len(accounts) == 0 {
		return "nobody"
	}
	return strings.Join(accounts, ", ")
}
