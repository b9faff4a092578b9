package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster"
	"github.com/faxmesh/faxmesh/cluster/durable"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/presence"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/modem/tiff"
	"github.com/faxmesh/faxmesh/node/desk"
	"github.com/faxmesh/faxmesh/node/dispatch"
	"github.com/faxmesh/faxmesh/node/imaging"
	"github.com/faxmesh/faxmesh/node/notify"
	"github.com/faxmesh/faxmesh/node/queue"
	"github.com/faxmesh/faxmesh/node/routing"
)

// parts is the cluster as the parts of a server want to see it.
type parts struct {
	cluster *cluster.Cluster
	log     *slog.Logger
	scratch string            // directory of files that no restart needs
	numbers map[string]string // of the node's lines, by name
}

func (p *parts) prepare() error {
	if err := os.RemoveAll(p.scratch); err != nil {
		return fmt.Errorf("clear the scratch directory: %w", err)
	}
	if err := durable.MkdirAll(p.scratch, 0o700); err != nil {
		return fmt.Errorf("make the scratch directory: %w", err)
	}
	return nil
}

func (p *parts) Propose(ctx context.Context, c ledger.Command) (ledger.Result, error) {
	return p.cluster.Propose(ctx, c)
}

func (p *parts) Keep(c ledger.Command) error { return p.cluster.Keep(c) }

func (p *parts) Kept() ([]ledger.Command, error) { return p.cluster.Kept() }

func (p *parts) Fresh(ctx context.Context) error { return p.cluster.Fresh(ctx) }

func (p *parts) Alone() bool { _, alone := p.cluster.Alone(); return alone }

func (p *parts) IsLeader() bool { return p.cluster.IsLeader() }

// Running goes through the ledger page by page: there are as many as lines in
// the cluster.
func (p *parts) Running() (all []fax.Job, err error) {
	f := ledger.JobFilter{States: []fax.State{fax.Assigned, fax.Dialing, fax.Sending}, Oldest: true}
	for {
		page, err := p.cluster.Ledger().Jobs(f)
		if err != nil {
			return nil, err
		}
		if all = append(all, page...); len(page) < ledger.MaxList {
			return all, nil
		}
		f.After = ledger.PlaceOf(page[len(page)-1])
	}
}

func (p *parts) Waiting(after ledger.Place, limit int) ([]fax.Job, error) {
	return p.cluster.Ledger().Jobs(ledger.JobFilter{States: []fax.State{fax.Queued}, Oldest: true, After: after, Limit: limit})
}

func (p *parts) DialRules() ([]fax.DialRule, error) { return p.cluster.Ledger().DialRules() }

// Lines are those of all nodes but the ones that leave: they take no new work.
func (p *parts) Lines() []fax.LineState {
	return slices.DeleteFunc(p.cluster.Presence().Lines(), func(l fax.LineState) bool {
		n, err := p.cluster.Ledger().Node(l.Node)
		return err == nil && n.Leaving
	})
}

func (p *parts) Answers(ctx context.Context, node string) bool {
	return p.cluster.Answers(ctx, node)
}

// waits says of jobs what they wait for, as this node sees it.
func (p *parts) waits(jobs []fax.Job) {
	if !slices.ContainsFunc(jobs, func(j fax.Job) bool { return j.State == fax.Queued }) {
		return
	}
	rules, err := p.DialRules()
	if err != nil {
		p.log.Warn("the dial rules cannot be read; it is not said what jobs wait for", "err", err)
		return
	}
	lines, now := p.Lines(), fax.At(time.Now())
	for i := range jobs {
		jobs[i].Waits = queue.Waits(now, &jobs[i], rules, lines)
	}
}

func (p *parts) Sessions() []presence.Session { return p.cluster.Presence().Sessions("") }

func (p *parts) Events(account string, after uint64, limit int) ([]fax.Event, error) {
	return p.cluster.Ledger().Events(account, after, limit)
}

func (p *parts) Tentative(account string, after uint64, limit int) ([]fax.Event, error) {
	return p.cluster.Ledger().Tentative(account, after, limit)
}

func (p *parts) LastEvent(account string) (uint64, error) {
	return p.cluster.Ledger().LastEvent(account)
}

// Void compares epochs. A higher one than this node knows is newer than its
// ledger, and good.
func (p *parts) Void(s presence.Session) (bool, error) {
	if ended, err := p.cluster.Ledger().SessionEnded(s.ID); ended || err != nil {
		return true, err
	}
	a, _, err := p.cluster.Ledger().Account(s.Account)
	if fax.KindOf(err) == fax.NotFound {
		return true, nil
	}
	return s.Epoch < a.Epoch, err
}

func (p *parts) Secret(session string) string {
	return desk.Secret(p.cluster.SessionKey(), session)
}

func (p *parts) PutSession(s presence.Session) error { return p.cluster.PutSession(s) }

func (p *parts) DropSession(id string) {
	if err := p.cluster.DropSession(id); err != nil {
		p.log.Warn("the end of a session could not be told to the other nodes", "session", id, "err", err)
	}
}

func (p *parts) NewToken(ctx context.Context, by string, uses int, life time.Duration) (string, error) {
	return p.cluster.NewToken(ctx, by, uses, life)
}

// Status is the members with the lines of those that are alive.
func (p *parts) Status() ([]fax.NodeStatus, error) {
	all := p.cluster.Presence().Lines()
	var status []fax.NodeStatus
	for _, m := range p.cluster.Members() {
		s := fax.NodeStatus{Node: m.Node, Alive: m.Alive, Voter: m.Voter, Leader: m.Leader}
		for _, l := range all {
			if l.Node == m.Name {
				s.Lines = append(s.Lines, l)
			}
		}
		if load, known := p.cluster.Presence().Load(m.Name); known {
			s.Disk, s.Room = load.Disk, load.Room
		}
		if since, alone := p.cluster.Alone(); alone && m.Name == p.cluster.Name() {
			s.Alone = fax.At(since)
		}
		status = append(status, s)
	}
	return status, nil
}

func (p *parts) publish(l fax.LineState) {
	p.log.Debug("line", "line", l.Name, "state", l.State, "job", l.Job)
	if err := p.cluster.SetLine(l); err != nil {
		p.log.Warn("the state of a line could not be told to the other nodes", "line", l.Name, "err", err)
	}
}

// mayDial says why a notification port must not be dialled from here: see
// notify.CheckAddress; and no port of the cluster is one, lest a client make
// the nodes call each other.
func (p *parts) mayDial(addr netip.AddrPort, home string) error {
	nodes, err := p.cluster.Ledger().Nodes()
	if err != nil {
		return err
	}
	near := home == p.cluster.Name()
	for _, n := range nodes {
		for _, own := range []string{n.PeerAddr, n.ClientAddr} {
			if at, err := netip.ParseAddrPort(own); err == nil && at.Port() == addr.Port() && at.Addr().Unmap() == addr.Addr().Unmap() {
				return fmt.Errorf("%s is a port of node %s", addr, n.Name)
			}
		}
		// A home that other nodes reach over loopback is on this machine.
		if at, err := netip.ParseAddrPort(n.PeerAddr); err == nil && n.Name == home && at.Addr().IsLoopback() {
			near = true
		}
	}
	return notify.CheckAddress(addr, near)
}

// deliver makes a received fax a document of the cluster, and files it for
// those whom the routes name.
func (p *parts) deliver(ctx context.Context, f fax.ReceivedFax, pages modem.Pages) error {
	doc, err := p.store(ctx, func(w io.Writer) error { return writeTIFF(w, pages) })
	if err != nil {
		return fmt.Errorf("store the pages: %w", err)
	}
	doc.Pages = pages.Len()
	f.Fax = doc
	// The call goes on record first: when that is done this node's ledger is
	// up to date, as it may not be just after a start, and has today's routes.
	if _, err := p.cluster.Propose(ctx, ledger.Note{Activity: fax.Activity{At: f.At, Who: f.Node, Node: f.Node, What: "call-taken",
		Object: f.ID, Detail: fmt.Sprintf("line %s, %d pages, status %d", f.Line, doc.Pages, f.Status)}}); err != nil {
		return err
	}
	routes, err := p.cluster.Ledger().Routes()
	if err != nil {
		return err
	}
	f.Assigned = routing.Accounts(routes, routing.Call{Called: f.Called, Line: p.numbers[f.Line], Caller: f.Caller})
	if _, err := p.cluster.Propose(ctx, ledger.Receive{Fax: f}); err != nil {
		return err
	}
	p.log.Info("received", "fax", f.ID, "line", f.Line, "pages", doc.Pages, "from", f.Remote, "for", f.Assigned)
	return nil
}

// store writes a document to a scratch file and hands it to the cluster.
func (p *parts) store(ctx context.Context, write func(io.Writer) error) (fax.Document, error) {
	file, err := os.CreateTemp(p.scratch, "store-*")
	if err != nil {
		return fax.Document{}, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if err := write(file); err != nil {
		return fax.Document{}, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fax.Document{}, err
	}
	return blobs{p}.Put(ctx, file)
}

func writeTIFF(w io.Writer, pages modem.Pages) error {
	out := tiff.NewWriter(w, tiff.Options{})
	for i := range pages.Len() {
		page, err := pages.Page(i)
		if err != nil {
			return err
		}
		if page.Image.Height == 0 { // a file cannot hold a page without rows
			page.Image = t4.NewBitmap(page.Image.Width, 1)
		}
		if err := out.WritePage(page.Image, page.Resolution); err != nil {
			return err
		}
	}
	return out.Close()
}

// blobs is the documents of the cluster.
type blobs struct{ *parts }

// Put stores a document. Fewer copies than wanted will do: a site that is cut
// off keeps faxing, and the cluster makes up for it.
func (b blobs) Put(ctx context.Context, r io.Reader) (fax.Document, error) {
	doc, copies, err := b.cluster.Blobs().Put(ctx, r)
	if err == nil && copies < 2 {
		b.log.Info("a document is on this node alone for now", "hash", doc.Hash)
	}
	return doc, err
}

func (b blobs) Open(ctx context.Context, hash string) (io.ReadCloser, error) {
	return b.cluster.Blobs().Open(ctx, hash)
}

// document is the pages of a TIFF-F in a scratch file.
type document struct {
	file *os.File
	tiff *tiff.File
}

// document opens a fax of the cluster. The whole is read once, because only
// then its hash is known to be right.
func (p *parts) document(ctx context.Context, doc fax.Document) (_ dispatch.Document, err error) {
	r, err := p.cluster.Blobs().Open(ctx, doc.Hash)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	file, err := os.CreateTemp(p.scratch, "send-*")
	if err != nil {
		return nil, err
	}
	d := &document{file: file}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	size, err := io.Copy(file, r)
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	if d.tiff, err = tiff.Open(file, size); err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	return d, nil
}

func (d *document) Len() int { return d.tiff.Len() }

func (d *document) Page(i int) (modem.Page, error) {
	image, res, err := d.tiff.Page(i)
	return modem.Page{Image: image, Resolution: res}, err
}

func (d *document) Close() error {
	err := d.file.Close()
	os.Remove(d.file.Name()) // what stays is removed at the next start
	return err
}

// ready reports whether a document is a fax already.
func ready(ctx context.Context, src io.ReaderAt, size int64) (pages int, is bool, err error) {
	return imaging.Ready(ctx, src, size, imaging.Options{})
}

// convert says in words for people what is wrong with a document.
func convert(ctx context.Context, src io.ReaderAt, size int64, name string, out io.Writer) (int, error) {
	info, err := imaging.Convert(ctx, src, size, name, out, imaging.Options{})
	for cause, kind := range map[error]fax.Kind{
		imaging.ErrUnsupported: fax.Unsupported, imaging.ErrDamaged: fax.Invalid, imaging.ErrTooLarge: fax.TooLarge,
	} {
		if errors.Is(err, cause) {
			return 0, fax.Errorf(kind, "%v", err)
		}
	}
	return info.Pages, err
}
