package lines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/durable"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
)

// MaxPages is how many pages one incoming call may bring.
const MaxPages = 2000

const (
	recordName = "fax.json"
	asideName  = "damaged-"
	pastName   = "delivered-"
)

var (
	errDamaged = errors.New("damaged") // what is on disk is not what was written
	errEmpty   = errors.New("no page") // the crash came before the first page
)

// spool is a directory with one directory for each received fax, by id:
// fax.json and a file for each page. All are on disk before store returns.
type spool struct {
	dir     string
	reserve reserve
	write   func(path string, data []byte, mode fs.FileMode) error // durable.WriteFile, but in tests of full disks

	mu    sync.Mutex
	under map[string]bool // ids of calls under way, not ready to deliver
	ids   []string        // ready, oldest first
}

// openSpool finds what a crash or a close has left.
func openSpool(dir string) (*spool, error) {
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	s := &spool{dir: dir, reserve: reserve{path: dir + reserveSuffix}, write: durable.WriteFile, under: make(map[string]bool)}
	for _, e := range entries { // by name, and ids grow with time
		switch {
		case strings.HasPrefix(e.Name(), pastName):
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
		case e.IsDir() && !strings.HasPrefix(e.Name(), asideName):
			s.ids = append(s.ids, e.Name())
		}
	}
	return s, nil
}

func (s *spool) ready() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ids)
}

func (s *spool) held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ids) + len(s.under)
}

// intake begins to take in pages of f. Nothing is on disk before the first.
func (s *spool) intake(f fax.ReceivedFax) *intake {
	f.Status, f.Reason = int(status.Unseen), status.Unseen.Sentence()
	return &intake{spool: s, fax: f, dir: filepath.Join(s.dir, f.ID)}
}

func (s *spool) begin(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ids)+len(s.under) >= MaxSpooled {
		return fmt.Errorf("%d received faxes wait to be delivered, as many as the spool may hold", MaxSpooled)
	}
	s.under[id] = true
	return nil
}

func (s *spool) ended(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under[id] {
		delete(s.under, id)
		s.ids = append(s.ids, id)
	}
}

// intake is a call whose pages come in. It is used by one goroutine.
type intake struct {
	spool *spool
	dir   string
	fax   fax.ReceivedFax
	pages int
}

// store makes a page durable. A page that is sent again replaces the first.
func (in *intake) store(ctx context.Context, p modem.ReceivedPage) error {
	if p.Index < 0 || p.Index > in.pages || p.Index >= MaxPages {
		return fmt.Errorf("page %d cannot follow %d pages (at most %d)", p.Index+1, in.pages, MaxPages)
	}
	if in.pages == 0 {
		if err := in.open(ctx); err != nil {
			return err
		}
	}
	data, err := encodePage(p)
	if err != nil {
		return err
	}
	if err := in.spool.persist(ctx, filepath.Join(in.fax.ID, pageName(p.Index)), data); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	in.pages = max(in.pages, p.Index+1)
	return nil
}

// open makes the fax known to a restart. Until end, it counts as a call whose
// end nobody saw.
func (in *intake) open(ctx context.Context) error {
	if err := in.spool.begin(in.fax.ID); err != nil {
		return err
	}
	if err := durable.MkdirAll(in.dir, 0o700); err != nil {
		return err
	}
	return in.write(ctx)
}

func (in *intake) write(ctx context.Context) error {
	data, err := json.Marshal(in.fax)
	if err != nil {
		return err
	}
	return in.spool.persist(ctx, filepath.Join(in.fax.ID, recordName), data)
}

// end notes how the call went and makes its pages ready to be delivered. A disk
// that is full even without the reserve loses the note, not the pages.
func (in *intake) end(rep modem.Report) (pages int, err error) {
	if in.pages == 0 {
		in.spool.drop(in.fax.ID)
		return 0, nil
	}
	in.fax.Remote, in.fax.Details, in.fax.At = rep.Remote, Details(rep), fax.At(time.Now())
	in.fax.Status, in.fax.Reason = int(rep.Status), ""
	if rep.Status != status.OK {
		in.fax.Reason = rep.Status.Sentence()
	}
	noting, cancel := context.WithTimeout(context.Background(), 2*fullRetry)
	defer cancel()
	err = in.write(noting)
	in.spool.ended(in.fax.ID)
	return in.pages, err
}

// drop forgets a call that brought no page, though it may have been begun.
func (s *spool) drop(id string) {
	s.mu.Lock()
	begun := s.under[id]
	delete(s.under, id)
	s.mu.Unlock()
	if begun {
		os.RemoveAll(filepath.Join(s.dir, id)) // what stays is set aside at the next start
	}
}

// Details is the way a call went, as "V.17 14400, ECM, MMR".
func Details(rep modem.Report) string {
	parts := make([]string, 0, 3)
	if rep.Coding != "" { // else the call never came to a page
		parts = append(parts, rep.Rate.String())
		if rep.ECM {
			parts = append(parts, "ECM")
		}
		parts = append(parts, rep.Coding)
	}
	return strings.Join(parts, ", ")
}

// load reads a fax. Its pages stay on disk until they are asked for, but each
// has been read once here, so that damage is found before half is delivered.
func (s *spool) load(id string) (fax.ReceivedFax, modem.Pages, error) {
	var f fax.ReceivedFax
	dir := filepath.Join(s.dir, id)
	data, err := os.ReadFile(filepath.Join(dir, recordName))
	if err != nil {
		return f, nil, missing(err)
	}
	if err := json.Unmarshal(data, &f); err != nil || f.ID != id {
		return f, nil, fmt.Errorf("%s: %w", recordName, errDamaged)
	}
	pages := spooled{dir: dir}
	f.BadRows = 0
	for pages.n < MaxPages {
		p, err := pages.read(pages.n)
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if err != nil {
			return f, nil, err
		}
		f.BadRows += p.BadRows
		pages.n++
	}
	if pages.n == 0 {
		return f, nil, errEmpty
	}
	return f, pages, nil
}

func missing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return err
}

// remove forgets a fax. The rename makes it one step: a crash never leaves a
// shorter fax to be delivered.
func (s *spool) remove(id string) error {
	past := filepath.Join(s.dir, pastName+id)
	if err := durable.Rename(filepath.Join(s.dir, id), past); err != nil {
		return fmt.Errorf("clear the spool: %w", err)
	}
	s.forget(id)
	if err := os.RemoveAll(past); err != nil {
		return fmt.Errorf("clear the spool: %w", err)
	}
	return nil
}

func (s *spool) setAside(id string) error {
	defer s.forget(id)
	return durable.Rename(filepath.Join(s.dir, id), filepath.Join(s.dir, asideName+id))
}

func (s *spool) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids = slices.DeleteFunc(s.ids, func(have string) bool { return have == id })
}

// spooled is the pages of one fax in the spool.
type spooled struct {
	dir string
	n   int
}

func (p spooled) Len() int { return p.n }

// Page reads one page back.
func (p spooled) Page(i int) (modem.Page, error) {
	got, err := p.read(i)
	if err != nil {
		return modem.Page{}, err
	}
	return modem.Page{Image: got.Image, Resolution: got.Resolution}, nil
}

func (p spooled) read(i int) (modem.ReceivedPage, error) {
	data, err := os.ReadFile(filepath.Join(p.dir, pageName(i)))
	if err != nil {
		return modem.ReceivedPage{}, err
	}
	got, err := decodePage(data)
	if err != nil {
		return got, fmt.Errorf("page %d: %w", i+1, err)
	}
	got.Index = i
	return got, nil
}

func pageName(i int) string { return fmt.Sprintf("page-%04d", i+1) }
