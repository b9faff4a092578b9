package ledger

import (
	"slices"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Receive refuses only what could not be found again. Texts from the far end
// that are too long are cut, and accounts that are gone are left out: a fax
// whose pages have been confirmed has to be filed.
func (c Receive) apply(d *draft) (*fax.Job, error) {
	f := c.Fax
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
	f.Called, f.Caller = clip(f.Called, fax.MaxNumber), clip(f.Caller, fax.MaxNumber)
	f.Reason, f.Details = clip(f.Reason, fax.MaxReason), clip(f.Details, fax.MaxTitle)
	assigned, _ := d.existing(f.Assigned)
	f.Assigned = assigned[:min(len(assigned), fax.MaxAssign)]
	d.store(inReceived, f.ID, f)
	d.mark(inDrawers, drawerKey("", f.At, f.ID))
	if f.Fax.Hash != "" {
		d.mark(inDocs, f.Fax.Hash)
	}
	d.record(fax.Activity{At: f.At, Who: f.Node, Node: f.Node, What: "receive", Object: f.ID,
		Detail: "from " + sender(f) + " on line " + f.Line + " for " + list(f.Assigned)})
	for _, account := range f.Assigned {
		d.giveTo(account, f, fax.EventReceived, f.Node, f.At)
	}
	return nil, nil
}

func (c AssignFax) apply(d *draft) (*fax.Job, error) {
	f := load[fax.ReceivedFax](d, inReceived, c.ID)
	if f == nil {
		return nil, fax.Errorf(fax.NotFound, "there is no received fax %.80q", c.ID)
	}
	if len(c.Accounts) > fax.MaxAssign {
		return nil, fax.Errorf(fax.TooLarge, "a fax cannot be assigned to %d accounts; at most %d are allowed", len(c.Accounts), fax.MaxAssign)
	}
	accounts, missing := d.existing(c.Accounts)
	if missing != "" {
		return nil, fax.Errorf(fax.NotFound, "there is no account %q to assign the fax to", missing)
	}
	added := slices.DeleteFunc(accounts, func(a string) bool {
		return slices.ContainsFunc(f.Assigned, func(b string) bool { return fax.Fold(a) == fax.Fold(b) })
	})
	if len(added) == 0 {
		return nil, nil
	}
	if len(f.Assigned)+len(added) > fax.MaxAssign {
		return nil, fax.Errorf(fax.TooLarge, "the fax would be assigned to %d accounts; at most %d are allowed", len(f.Assigned)+len(added), fax.MaxAssign)
	}
	f.Assigned = append(f.Assigned, added...)
	d.store(inReceived, f.ID, *f)
	d.record(fax.Activity{At: c.At, Who: who(c.By, c.Node), Node: c.Node, What: "assign", Object: f.ID, Detail: "to " + list(added)})
	for _, account := range added {
		d.giveTo(account, *f, fax.EventAssigned, c.Node, c.At)
	}
	return nil, nil
}

// giveTo lays a received fax into an account's drawer and tells it.
func (d *draft) giveTo(account string, f fax.ReceivedFax, kind fax.EventKind, node string, at fax.Millis) {
	d.mark(inDrawers, drawerKey(account, f.At, f.ID))
	d.tell(account, fax.Event{Kind: kind, Fax: f.ID, Node: node, At: at, Number: sender(f),
		Page: f.Fax.Pages, Pages: f.Fax.Pages, Text: f.Reason})
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
