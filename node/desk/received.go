package desk

import (
	"context"
	"fmt"
	"io"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// seesAllReceived reports whether an account sees received faxes that nobody
// has assigned to it: who assigns must see what there is to assign.
func seesAllReceived(a fax.Account) bool {
	return a.Rights&(fax.MaySeeReceived|fax.MayAssign|fax.MaySeeAll) != 0
}

// Inbox lists the received faxes that the account may see, the newest first.
func (d *Desk) Inbox(_ context.Context, s fax.Session, limit int) ([]fax.ReceivedFax, error) {
	a, err := d.who(s, 0)
	if err != nil {
		return nil, err
	}
	return d.inbox(a, limit)
}

func (d *Desk) inbox(a fax.Account, limit int) ([]fax.ReceivedFax, error) {
	account := a.Name
	if seesAllReceived(a) {
		account = ""
	}
	return d.cfg.Ledger.ReceivedFor(account, max(limit, 0))
}

// received is one received fax, by its id or a prefix.
func (d *Desk) received(a fax.Account, id string) (fax.ReceivedFax, error) {
	one := d.cfg.Ledger.Received
	if !seesAllReceived(a) {
		one = func(id string) (fax.ReceivedFax, error) { return d.cfg.Ledger.ReceivedBy(a.Name, id) }
	}
	if f, err := one(id); fax.KindOf(err) != fax.NotFound {
		return f, err
	}
	faxes, err := d.inbox(a, 0)
	if err != nil {
		return fax.ReceivedFax{}, err
	}
	return byPrefix(faxes, id, "received fax", func(f fax.ReceivedFax) string { return f.ID })
}

// OpenFax opens the TIFF-F of a job or of a received fax, from whichever node
// has it. That the account has seen it goes on the activity record first.
func (d *Desk) OpenFax(ctx context.Context, s fax.Session, id string) (fax.Document, io.ReadCloser, error) {
	a, err := d.who(s, 0)
	if err != nil {
		return fax.Document{}, nil, err
	}
	f, err := found(ctx, d, func() (viewed, error) { return d.document(a, id) })
	if err != nil {
		return fax.Document{}, nil, err
	}
	doc, full := f.doc, f.id
	if doc.Hash == "" {
		return fax.Document{}, nil, fax.Errorf(fax.NotFound, "the fax %.80q has no pages", id)
	}
	r, err := d.cfg.Blobs.Open(ctx, doc.Hash)
	if err != nil && fax.KindOf(err) == fax.NotFound { // the fax is there, its pages are out of reach
		return fax.Document{}, nil, fax.Errorf(fax.Unavailable, "the pages of %s are on servers that cannot be reached now; try again later", full)
	}
	if err != nil {
		return fax.Document{}, nil, fmt.Errorf("open the pages of %s: %w", full, err)
	}
	d.cfg.Log.Info("viewed", "account", a.Name, "fax", full)
	d.note(fax.Activity{At: now(), Who: a.Name, Node: d.cfg.Node, What: "view", Object: full})
	return doc, r, nil
}

// viewed is pages with the id of their fax.
type viewed struct {
	doc fax.Document
	id  string
}

// document finds what the account means by id: a received fax or a job.
func (d *Desk) document(a fax.Account, id string) (viewed, error) {
	f, err := d.received(a, id)
	if err == nil {
		return viewed{f.Fax, f.ID}, nil
	}
	if fax.KindOf(err) != fax.NotFound {
		return viewed{}, err
	}
	j, err := d.job(a, id)
	if err == nil {
		return viewed{j.Fax, j.ID}, nil
	}
	if fax.KindOf(err) == fax.NotFound {
		err = notThere("fax", id)
	}
	return viewed{}, err
}

// Assign gives accounts the right to see a received fax.
func (d *Desk) Assign(ctx context.Context, s fax.Session, id string, accounts []string) error {
	a, err := d.who(s, fax.MayAssign)
	if err != nil {
		return err
	}
	if len(accounts) == 0 || len(accounts) > fax.MaxAssign {
		return fax.Errorf(fax.Invalid, "name 1 to %d accounts to assign the fax to", fax.MaxAssign)
	}
	f, err := found(ctx, d, func() (fax.ReceivedFax, error) { return d.received(a, id) })
	if err != nil {
		return err
	}
	_, err = d.propose(ctx, ledger.AssignFax{ID: f.ID, Accounts: accounts, By: a.Name, Node: d.cfg.Node, At: now()})
	return err
}

// Cluster is the servers and their lines, for everybody who is logged in.
func (d *Desk) Cluster(_ context.Context, s fax.Session) ([]fax.NodeStatus, error) {
	if _, err := d.who(s, 0); err != nil {
		return nil, err
	}
	return d.cfg.Cluster.Status()
}
