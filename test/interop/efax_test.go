//go:build linux

package interop

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/modem/tiff"
)

// letter is the page that goes to and fro: fine, A4, text and drawings.
const letter = "../../cmd/faxmeshd/demo/referral.tif"

// efax moves a page down by headerShift rows, prints its header line over the
// first rows of it and leaves out the last one: so does it to itself.
const (
	headerShift = 20
	headerRows  = 3 // rows of the page under the header
	lostRows    = 1
)

func TestFaxmeshToEfax(t *testing.T) {
	l := startLab(t, 2)
	page := readTIFF(t, letter)[:1]
	ours := l.modem(1, modem.Options{})
	theirs := l.efax(2, "-w", "-iS0=1", "-r", "received")
	theirs.says(t, "waiting for activity")
	report := send(t, ours, "5552", page)
	if report.Status != status.OK || report.Pages != 1 {
		t.Fatalf("the call ended %v after %d pages: %v\n%s", report.Status, report.Pages, report.Err, report.Transcript)
	}
	theirs.wait(t)
	got := readTIFF(t, filepath.Join(l.dir, "received.001"))
	samePage(t, got.image(0), page.image(0))
	t.Logf("%v, %s, %.1f s of line time", report.Rate, report.Coding, report.Duration.Seconds())
}

func TestEfaxToFaxmesh(t *testing.T) {
	l := startLab(t, 2)
	page := readTIFF(t, letter)[:1]
	ours := l.modem(1, modem.Options{})
	theirs := l.efax(2, "-t", "T5551", group3(t, l.dir, page))
	report, got := receive(t, ours)
	if report.Status != status.OK || len(got) != 1 {
		t.Fatalf("the call ended %v after %d pages: %v\n%s", report.Status, len(got), report.Err, report.Transcript)
	}
	theirs.wait(t)
	compare(t, got.image(0), page.image(0), headerShift, headerRows, page.image(0).Height-lostRows)
	t.Logf("%v, %s, %.1f s of line time", report.Rate, report.Coding, report.Duration.Seconds())
}

// TestFaxmeshToFaxmesh is the case that efax cannot do: error correction.
func TestFaxmeshToFaxmesh(t *testing.T) {
	l := startLab(t, 2)
	pages := readTIFF(t, letter)
	from, to := l.modem(1, modem.Options{}), l.modem(2, modem.Options{})
	sent := make(chan modem.Report, 1)
	go func() { sent <- send(t, from, "5552", pages) }()
	report, got := receive(t, to)
	out := <-sent
	if out.Status != status.OK || report.Status != status.OK || len(got) != len(pages) {
		t.Fatalf("sender %v, receiver %v, %d pages\n%s\n%s", out.Status, report.Status, len(got), out.Transcript, report.Transcript)
	}
	if !out.ECM || out.Coding != "MMR" {
		t.Errorf("sent with ECM %v and %s, want ECM and MMR", out.ECM, out.Coding)
	}
	for i := range pages {
		samePage(t, got.image(i), pages.image(i))
	}
	t.Logf("%v, %s, %.1f s of line time", out.Rate, out.Coding, out.Duration.Seconds())
}

// TestNobodyThere: what the exchange says of a number reaches the report.
func TestNobodyThere(t *testing.T) {
	l := startLab(t, 1)
	ours := l.modem(1, modem.Options{})
	page := readTIFF(t, letter)[:1]
	if report := send(t, ours, "55590", page); report.Status != status.Busy {
		t.Errorf("a busy number: %v (%v)", report.Status, report.Err)
	}
	if report := send(t, ours, "55599", page); report.Status != status.NoAnswer {
		t.Errorf("a number that does not exist: %v (%v)", report.Status, report.Err)
	}
}

func samePage(t *testing.T, got, want *t4.Bitmap) {
	t.Helper()
	if got.Height != want.Height {
		t.Fatalf("the page has %d rows, want %d", got.Height, want.Height)
	}
	compare(t, got, want, 0, 0, want.Height)
}

func send(t *testing.T, m modem.Modem, number string, pages document) modem.Report {
	ctx, cancel := context.WithTimeout(t.Context(), callTime)
	defer cancel()
	return m.Send(ctx, modem.Outgoing{Number: number, Station: "+49 301 555 100", Pages: pages})
}

func receive(t *testing.T, m modem.Modem) (modem.Report, document) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), callTime)
	defer cancel()
	if _, err := m.WaitRing(ctx); err != nil {
		t.Fatal(err)
	}
	var got document
	report := m.Receive(ctx, modem.Incoming{Station: "+49 401 555 200", Store: func(_ context.Context, p modem.ReceivedPage) error {
		if p.Index != len(got) {
			return errors.New("a page came out of order")
		}
		got = append(got, modem.Page{Image: p.Image, Resolution: p.Resolution})
		return nil
	}})
	return report, got
}

// group3 writes the page as efax wants it.
func group3(t *testing.T, dir string, d document) string {
	t.Helper()
	name := filepath.Join(dir, "page.g3")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tiff.NewWriter(f, tiff.Options{Coding: tiff.Group3})
	for _, p := range d {
		if err := w.WritePage(p.Image, t4.Fine); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}
