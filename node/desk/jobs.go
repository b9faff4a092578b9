package desk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/room"
)

// MaxList is how many jobs or faxes one request lists at most, and by default.
const MaxList = ledger.MaxList

// MaxConverting is how many documents are converted at a time: a picture takes
// several hundred MiB.
const MaxConverting = 2

// MaxLooking is how many documents are looked at at a time for whether they are
// a fax already: a page takes some 100 MiB at most, a common one 1 MiB.
const MaxLooking = 4

// minPrefix is how much of an id has to be given at least.
const minPrefix = 4

// Submit makes a job of an order and a finished upload. It returns when record
// and document are durable: at a node that is cut off, on its own disk, which
// the job then says (Alone). An order that has been submitted before, at
// whatever node, returns its job as it stands.
func (d *Desk) Submit(ctx context.Context, s fax.Session, o fax.Order) (fax.Job, error) {
	a, err := d.who(s, fax.MaySend)
	if err != nil {
		return fax.Job{}, err
	}
	if err := checkOrder(o); err != nil {
		return fax.Job{}, err
	}
	if j, err := d.cfg.Ledger.JobOf(a.Name, o.ID); err == nil {
		return j, nil
	}
	src, err := d.uploads.open(s.ID, o.Upload)
	if err != nil {
		return fax.Job{}, err
	}
	over := false // the upload has served its turn
	defer func() {
		src.Close()
		if over {
			d.uploads.finish(o.Upload)
		}
	}()
	source, pages, err := d.store(ctx, src, o.Title)
	if err != nil {
		err = room.Explain(d.cfg.Node, err)
		var refused *fax.Error
		over = errors.As(err, &refused) && refused.Kind != fax.Full // it may be tried again when there is room
		return fax.Job{}, err
	}
	at := now()
	r, err := d.propose(ctx, ledger.Submit{Again: o.Again, Job: fax.Job{ID: o.ID, Owner: a.Name, Number: o.Number, Title: o.Title,
		Source: source, Fax: pages, State: fax.Queued, Submitted: at, Home: d.cfg.Node, NotBefore: o.NotBefore, Updated: at}})
	if err != nil {
		return fax.Job{}, err
	}
	if r.Job == nil {
		return fax.Job{}, errors.New("the ledger answered a submit without a job")
	}
	over = true
	d.cfg.Log.Info("submitted", "account", a.Name, "job", o.ID, "number", o.Number, "pages", pages.Pages, "alone", r.Job.Alone != "")
	return *r.Job, nil
}

func checkOrder(o fax.Order) error {
	if o.ID == "" || len(o.ID) > 64 || strings.Trim(o.ID, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fax.Errorf(fax.Invalid, "an order's id is 1 to 64 small letters, digits and -, not %.80q", o.ID)
	}
	if len(o.Title) > fax.MaxTitle || !utf8.ValidString(o.Title) {
		return fax.Errorf(fax.Invalid, "the title is not UTF-8 of at most %d octets; choose another", fax.MaxTitle)
	}
	return fax.CheckNumber(o.Number)
}

// store puts a document and its fax pages into the store. A document that is a
// fax already is its own pages.
func (d *Desk) store(ctx context.Context, src *handedIn, name string) (source, pages fax.Document, err error) {
	n, is, err := d.look(ctx, src, src.size)
	if err != nil {
		return source, pages, err
	}
	if !is { // first: a document that is refused must not stay in the store
		if pages, err = d.convert(ctx, src, src.size, name); err != nil {
			return source, pages, err
		}
	}
	source, err = d.cfg.Blobs.Put(ctx, io.NewSectionReader(src, 0, src.size))
	if err != nil {
		return source, pages, fmt.Errorf("store the document: %w", err)
	}
	if source.Hash != src.hash {
		return source, pages, fax.Errorf(fax.Invalid, "the document was damaged on the disk of node %s; hand it in again", d.cfg.Node)
	}
	if is {
		pages = source
		pages.Pages = n
	}
	return source, pages, nil
}

// look reports whether a document is a fax already.
func (d *Desk) look(ctx context.Context, src io.ReaderAt, size int64) (pages int, is bool, err error) {
	select {
	case d.looking <- struct{}{}:
		defer func() { <-d.looking }()
	case <-ctx.Done():
		return 0, false, ctx.Err()
	}
	return d.cfg.Ready(ctx, src, size)
}

// convert makes the TIFF-F and stores it.
func (d *Desk) convert(ctx context.Context, src io.ReaderAt, size int64, name string) (fax.Document, error) {
	out, err := os.CreateTemp(d.uploads.dir, "converted-*")
	if err != nil {
		return fax.Document{}, fmt.Errorf("make a file for the converted document: %w", err)
	}
	defer os.Remove(out.Name())
	defer out.Close()
	pages, err := d.convertTo(ctx, out, src, size, name)
	if err != nil {
		return fax.Document{}, err
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return fax.Document{}, err
	}
	doc, err := d.cfg.Blobs.Put(ctx, out)
	if err != nil {
		return fax.Document{}, fmt.Errorf("store the converted document: %w", err)
	}
	doc.Pages = pages
	return doc, nil
}

// convertTo holds its slot no longer than the memory is needed.
func (d *Desk) convertTo(ctx context.Context, out io.Writer, src io.ReaderAt, size int64, name string) (pages int, err error) {
	select {
	case d.converting <- struct{}{}:
		defer func() { <-d.converting }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return d.cfg.Convert(ctx, src, size, filepath.Base(name), out)
}

// drawerStates are the states of the jobs in a drawer.
func drawerStates(drawer fax.Drawer) ([]fax.State, error) {
	var in []fax.State
	for _, s := range []fax.State{fax.Queued, fax.Held, fax.Assigned, fax.Dialing, fax.Sending, fax.Done, fax.Undone, fax.Cancelled} {
		if drawer == "" || s.Drawer() == drawer {
			in = append(in, s)
		}
	}
	if len(in) == 0 {
		return nil, fax.Errorf(fax.Invalid, "there are no jobs in a drawer %.32q; drawers are pending, sent and failed", drawer)
	}
	return in, nil
}

// Jobs lists the account's jobs, or with f.All everybody's, the newest first.
func (d *Desk) Jobs(_ context.Context, s fax.Session, f fax.JobFilter) ([]fax.Job, error) {
	want := fax.Rights(0)
	if f.All {
		want = fax.MaySeeAll
	}
	a, err := d.who(s, want)
	if err != nil {
		return nil, err
	}
	states, err := drawerStates(f.Drawer)
	if err != nil {
		return nil, err
	}
	owner := a.Name
	if f.All {
		owner = ""
	}
	jobs, err := d.cfg.Ledger.Jobs(ledger.JobFilter{Owner: owner, States: states, Limit: max(f.Limit, 0)})
	if err == nil {
		d.waits(jobs)
	}
	return jobs, err
}

// WaitsBy sets what says of jobs what they wait for (fax.Job.Waits). It is
// called before the desk is used; without it nothing is said.
func (d *Desk) WaitsBy(say func(jobs []fax.Job)) { d.waits = say }

// Job is one job, by its id or a prefix that no other of the jobs that the
// account may see begins with; among the MaxList newest.
func (d *Desk) Job(ctx context.Context, s fax.Session, id string) (fax.Job, error) {
	a, err := d.who(s, 0)
	if err != nil {
		return fax.Job{}, err
	}
	j, err := found(ctx, d, func() (fax.Job, error) { return d.job(a, id) })
	if err != nil {
		return j, err
	}
	one := []fax.Job{j}
	d.waits(one)
	return one[0], nil
}

func (d *Desk) job(a fax.Account, id string) (fax.Job, error) {
	one, owner := d.cfg.Ledger.Job, ""
	if !a.Rights.Has(fax.MaySeeAll) {
		one, owner = func(id string) (fax.Job, error) { return d.cfg.Ledger.JobOf(a.Name, id) }, a.Name
	}
	if j, err := one(id); fax.KindOf(err) != fax.NotFound {
		return j, err
	}
	jobs, err := d.cfg.Ledger.Jobs(ledger.JobFilter{Owner: owner})
	if err != nil {
		return fax.Job{}, err
	}
	return byPrefix(jobs, id, "job", func(j fax.Job) string { return j.ID })
}

// byPrefix is the one of the visible things whose id begins with prefix.
func byPrefix[T any](visible []T, prefix, what string, id func(T) string) (T, error) {
	var none T
	if len(prefix) >= minPrefix {
		found := slices.DeleteFunc(visible, func(v T) bool { return !strings.HasPrefix(id(v), prefix) })
		switch {
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return none, fax.Errorf(fax.Invalid, "%d ids begin with %q; give more of it", len(found), prefix)
		}
	}
	return none, notThere(what, prefix)
}

// notThere is the answer for what is not there and for what must not be seen.
func notThere(what, id string) error {
	return fax.Errorf(fax.NotFound, "there is no %s %.80q", what, id)
}

// Direct cancels, holds or resumes a job: one's own, or with MayAdminister
// anybody's that one may see.
func (d *Desk) Direct(ctx context.Context, s fax.Session, id string, to fax.State) (fax.Job, error) {
	a, err := d.who(s, 0)
	if err != nil {
		return fax.Job{}, err
	}
	j, err := found(ctx, d, func() (fax.Job, error) { return d.job(a, id) })
	if err != nil {
		return fax.Job{}, err
	}
	if _, err := d.cfg.Ledger.JobOf(a.Name, j.ID); err != nil && !a.Rights.Has(fax.MayAdminister) {
		return fax.Job{}, fax.Errorf(fax.NotAllowed, "the job belongs to %s; only an administrator may direct it", j.Owner)
	}
	r, err := d.propose(ctx, ledger.Direct{Job: j.ID, State: to, By: a.Name, Node: d.cfg.Node, At: now()})
	if err != nil {
		return fax.Job{}, err
	}
	if r.Job == nil {
		return fax.Job{}, errors.New("the ledger answered an order without a job")
	}
	d.cfg.Log.Info("directed", "account", a.Name, "job", j.ID, "to", string(to))
	return *r.Job, nil
}
