package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/tiff"
)

// efax moves a page down by EfaxShift rows, prints its header line over the
// first rows of it and leaves out the last one: so does it to itself.
const (
	EfaxShift    = 20
	EfaxHeader   = 3 // rows of the page under the header
	EfaxLostRows = 1
)

// Efax is efax on a line. It has no ECM and no coding but MH.
type Efax struct {
	Terminal string
	Dir      string // its own, for what it sends and receives
	calls    int
}

var _ Station = (*Efax)(nil)

// efaxRates are the numbers that efax has for rates.
var efaxRates = map[line.Rate]int{line.V27ter2400: 0, line.V27ter4800: 1, line.V29x7200: 2, line.V29x9600: 3, line.V17x12000: 4, line.V17x14400: 5}

// run starts efax; dir becomes where its files are.
func (e *Efax) run(rate line.Rate, args func(dir string) ([]string, error)) (*program, string, error) {
	e.calls++
	dir := filepath.Join(e.Dir, fmt.Sprint("call", e.calls))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, "", err
	}
	own := []string{"-d", e.Terminal, "-o1", "-v", "chewinmaxr", "-i", "Z", "-i", "&FE&D2S7=120", "-i", "&C0",
		"-l", "EFAX", "-c", fmt.Sprintf("1,%d,0,2,0,0,0,0", efaxRates[rate])}
	more, err := args(dir)
	if err != nil {
		return nil, "", err
	}
	p, err := start(dir, "efax", append(own, more...)...)
	return p, dir, err
}

// efaxConfirmed is what efax says when a page was confirmed.
var efaxConfirmed = regexp.MustCompile(`received (MCF|RTP|PIP)\b`)

// Send implements Station.
func (e *Efax) Send(ctx context.Context, number string, d Document, m Mode) (Sent, error) {
	p, _, err := e.run(m.Rate, func(dir string) ([]string, error) {
		args := []string{"-t", "T" + number}
		for i := range d {
			name := filepath.Join(dir, fmt.Sprintf("page%d.g3", i+1))
			if err := writeTIFF(name, d[i:i+1], tiff.Group3); err != nil {
				return nil, err
			}
			args = append(args, name)
		}
		return args, nil
	})
	if err != nil {
		return Sent{}, err
	}
	defer p.stop()
	if err := p.wait(ctx); ctx.Err() != nil {
		return Sent{}, fmt.Errorf("%w\n%s", err, p.said.String())
	}
	s := Sent{OK: p.err == nil, Log: p.said.String()}
	s.Pages = len(efaxConfirmed.FindAllString(s.Log, -1))
	s.Why = lastWords(p)
	return s, nil
}

// Listen implements Station.
func (e *Efax) Listen(ctx context.Context) (Reception, error) {
	p, dir, err := e.run(line.V17x14400, func(string) ([]string, error) {
		return []string{"-w", "-iS0=1", "-r", "received"}, nil
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, initTime)
	defer cancel()
	if err := p.says(ctx, "waiting for activity"); err != nil {
		p.stop()
		return nil, err
	}
	return &efaxReception{p, dir}, nil
}

// efaxReception is a call that efax takes.
type efaxReception struct {
	*program
	dir string
}

func (r *efaxReception) Wait(ctx context.Context) (Received, error) {
	if err := r.wait(ctx); ctx.Err() != nil {
		return Received{}, fmt.Errorf("%w\n%s", err, r.said.String())
	}
	got := Received{OK: r.err == nil, Why: lastWords(r.program), Log: r.said.String()}
	names, err := filepath.Glob(filepath.Join(r.dir, "received.[0-9][0-9][0-9]"))
	if err != nil {
		return Received{}, err
	}
	for _, name := range names { // in order: Glob sorts
		page, err := ReadTIFF(name)
		got.Pages = append(got.Pages, page...)
		if err != nil {
			got.Why += "; " + oneLine(err.Error()) // a page begun and not ended is none
		}
	}
	return got, nil
}

func (r *efaxReception) Cancel() { r.stop() }

// Close implements Station: efax runs for one call at a time.
func (e *Efax) Close() error { return nil }

// lastWords is how efax says that it ended.
func lastWords(p *program) string {
	lines := strings.Split(strings.TrimSpace(p.said.String()), "\n")
	last := lines[len(lines)-1]
	if p.err != nil {
		return oneLine(fmt.Sprintf("%v: %s", p.err, last))
	}
	return oneLine(last)
}
