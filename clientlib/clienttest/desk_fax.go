package clienttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
	"github.com/faxmesh/faxmesh/node/clientconn"
)

// upload is a document being handed in.
type upload struct {
	desk *Desk
	id   string
	data bytes.Buffer
}

func (u *upload) ID() string                  { return u.id }
func (u *upload) Write(p []byte) (int, error) { return u.data.Write(p) }
func (u *upload) Abort()                      {}

func (u *upload) Commit(_ context.Context, sum string) error {
	if got := hash(u.data.Bytes()); got != sum {
		return fax.Errorf(fax.Invalid, "the document has arrived damaged: send it again")
	}
	u.desk.mu.Lock()
	defer u.desk.mu.Unlock()
	u.desk.uploads[u.id] = u.data.Bytes()
	return nil
}

// BeginUpload takes a document into memory.
func (d *Desk) BeginUpload(_ context.Context, s fax.Session, size int64) (clientconn.Upload, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.personLocked(s, wire.CmdUpload); err != nil {
		return nil, err
	}
	if size > wire.MaxDocument {
		return nil, fax.Errorf(fax.TooLarge, "the document has %d octets, at most %d are taken", size, wire.MaxDocument)
	}
	return &upload{desk: d, id: d.idLocked("upload")}, nil
}

// Submit files a job, whose pages are the document as it came, and the event
// that it is queued.
func (c *Counter) Submit(_ context.Context, s fax.Session, o fax.Order) (fax.Job, error) {
	d := c.Desk
	d.mu.Lock()
	defer d.mu.Unlock()
	a, err := d.personLocked(s, wire.CmdSubmit)
	if err != nil {
		return fax.Job{}, err
	}
	if i := d.jobLocked(o.ID); i >= 0 {
		return d.jobs[i], nil
	}
	data, ok := d.uploads[o.Upload]
	if !ok {
		return fax.Job{}, fax.Errorf(fax.NotFound, "there is no upload %q: upload the document again", o.Upload)
	}
	doc := fax.Document{Hash: hash(data), Size: int64(len(data))}
	j := fax.Job{ID: o.ID, Owner: a.Name, Number: o.Number, Title: o.Title, Source: doc, Fax: doc, State: fax.Queued, Home: c.node, NotBefore: o.NotBefore}
	d.jobs = append(d.jobs, j)
	d.pages[j.ID] = data
	d.recordLocked(fax.Event{Account: a.Name, Kind: fax.EventQueued, Fax: j.ID, Node: c.node, Number: j.Number})
	return j, nil
}

// PutJob files or replaces a job.
func (d *Desk) PutJob(j fax.Job, pages []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j.Fax = fax.Document{Hash: hash(pages), Size: int64(len(pages)), Pages: j.Fax.Pages}
	d.pages[j.ID] = pages
	if i := d.jobLocked(j.ID); i >= 0 {
		d.jobs[i] = j
		return
	}
	d.jobs = append(d.jobs, j)
}

// PutReceived files a received fax.
func (d *Desk) PutReceived(r fax.ReceivedFax, pages []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r.Fax = fax.Document{Hash: hash(pages), Size: int64(len(pages)), Pages: r.Fax.Pages}
	d.pages[r.ID] = pages
	d.received = append(d.received, r)
}

// Jobs lists an account's jobs.
func (d *Desk) Jobs(_ context.Context, s fax.Session, f fax.JobFilter) ([]fax.Job, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, err := d.personLocked(s, wire.CmdJobs)
	if err != nil {
		return nil, err
	}
	if f.All && !a.Rights.Has(fax.MaySeeAll) {
		return nil, fax.Errorf(fax.NotAllowed, "seeing everybody's faxes needs the right see-all")
	}
	var list []fax.Job
	for _, j := range d.jobs {
		if (f.All || j.Owner == a.Name) && (f.Drawer == "" || f.Drawer == j.State.Drawer()) && (f.Limit == 0 || len(list) < f.Limit) {
			list = append(list, j)
		}
	}
	return list, nil
}

// Job finds a job by the beginning of its id.
func (d *Desk) Job(_ context.Context, s fax.Session, id string) (fax.Job, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.personLocked(s, wire.CmdJob); err != nil {
		return fax.Job{}, err
	}
	i := d.jobLocked(id)
	if i < 0 {
		return fax.Job{}, fax.Errorf(fax.NotFound, "there is no job %q", id)
	}
	return d.jobs[i], nil
}

// Direct changes a job's state.
func (d *Desk) Direct(_ context.Context, s fax.Session, id string, to fax.State) (fax.Job, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.personLocked(s, wire.CmdDirect); err != nil {
		return fax.Job{}, err
	}
	i := d.jobLocked(id)
	if i < 0 {
		return fax.Job{}, fax.Errorf(fax.NotFound, "there is no job %q", id)
	}
	if d.jobs[i].State.Ended() {
		return fax.Job{}, fax.Errorf(fax.Conflict, "the job is %s already", d.jobs[i].State)
	}
	d.jobs[i].State = to
	return d.jobs[i], nil
}

func (d *Desk) jobLocked(id string) int {
	return slices.IndexFunc(d.jobs, func(j fax.Job) bool { return strings.HasPrefix(j.ID, id) })
}

// Inbox lists what an account may see of the received faxes.
func (d *Desk) Inbox(_ context.Context, s fax.Session, limit int) ([]fax.ReceivedFax, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, err := d.personLocked(s, wire.CmdInbox)
	if err != nil {
		return nil, err
	}
	var list []fax.ReceivedFax
	for _, r := range slices.Backward(d.received) {
		if (a.Rights.Has(fax.MaySeeReceived) || slices.Contains(r.Assigned, a.Name)) && (limit == 0 || len(list) < limit) {
			list = append(list, r)
		}
	}
	return list, nil
}

// OpenFax opens the pages of a job or a received fax.
func (d *Desk) OpenFax(_ context.Context, s fax.Session, id string) (fax.Document, io.ReadCloser, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.personLocked(s, wire.CmdFetch); err != nil {
		return fax.Document{}, nil, err
	}
	data, ok := d.pages[id]
	if !ok {
		return fax.Document{}, nil, fax.Errorf(fax.NotFound, "there is no fax %q", id)
	}
	return fax.Document{Hash: hash(data), Size: int64(len(data))}, io.NopCloser(bytes.NewReader(data)), nil
}

// Assign adds accounts to a received fax.
func (d *Desk) Assign(_ context.Context, s fax.Session, id string, accounts []string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, err := d.personLocked(s, wire.CmdAssign)
	if err != nil {
		return err
	}
	if !a.Rights.Has(fax.MayAssign) {
		return fax.Errorf(fax.NotAllowed, "assigning needs the right assign")
	}
	for i := range d.received {
		if d.received[i].ID == id {
			d.received[i].Assigned = append(d.received[i].Assigned, accounts...)
			return nil
		}
	}
	return fax.Errorf(fax.NotFound, "there is no fax %q", id)
}

// Cluster lists the servers, all of them alive.
func (d *Desk) Cluster(_ context.Context, s fax.Session) ([]fax.NodeStatus, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.personLocked(s, wire.CmdCluster); err != nil {
		return nil, err
	}
	var list []fax.NodeStatus
	for _, n := range d.nodes {
		list = append(list, fax.NodeStatus{Node: n, Alive: true, Voter: true, Leader: len(list) == 0})
	}
	return list, nil
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
