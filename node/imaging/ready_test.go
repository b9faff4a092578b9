package imaging

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/faxmesh/faxmesh/modem/t4"
)

// TestReady: what is ready is exactly what Convert leaves as it is.
func TestReady(t *testing.T) {
	page := noise(1, Width, 200)
	tif := encodeTIFF(t, t4.Fine, page, noise(2, Width, 50))
	for _, c := range []struct {
		name  string
		doc   []byte
		opt   Options
		pages int // 0: not ready
	}{
		{"two fine pages", tif, Options{}, 2},
		{"standard", encodeTIFF(t, t4.Standard, page), Options{}, 1},
		{"finer than asked for", tif, Options{Resolution: t4.Standard}, 0},
		{"superfine, not asked for", encodeTIFF(t, t4.Superfine, page), Options{}, 0},
		{"superfine", encodeTIFF(t, t4.Superfine, page), Options{Resolution: t4.Superfine}, 1},
		{"nearly fine", encodeTIFF(t, t4.Resolution{X: 200, Y: 200}, page), Options{}, 0},
		{"one page too narrow", encodeTIFF(t, t4.Fine, page, noise(3, 1701, 10)), Options{}, 0},
		{"wider", encodeTIFF(t, t4.Fine, noise(3, 2048, 10)), Options{}, 0},
		{"cut off", tif[:len(tif)/2], Options{}, 0},
		{"nothing", nil, Options{}, 0},
		{"text", []byte("Dear Sir"), Options{}, 0},
		{"PNG", encodePNG(t, gradient(12, 9)), Options{}, 0},
	} {
		pages, ready, err := Ready(t.Context(), bytes.NewReader(c.doc), int64(len(c.doc)), c.opt)
		if err != nil || ready != (c.pages > 0) || pages != c.pages {
			t.Errorf("%s: %d pages, ready %v, %v", c.name, pages, ready, err)
		}
	}
	if _, _, err := Ready(t.Context(), bytes.NewReader(tif), int64(len(tif)), Options{Resolution: t4.Resolution{X: 1, Y: 1}}); err == nil {
		t.Error("any resolution will do")
	}
}

// TestReadyUnreadable: a document that cannot be read is not one to be
// converted.
func TestReadyUnreadable(t *testing.T) {
	tif := encodeTIFF(t, t4.Fine, noise(1, Width, 200))
	broken := errors.New("input/output error")
	for _, from := range []int64{0, 100} { // the directory, the page
		if _, ready, err := Ready(t.Context(), unreadableFrom{bytes.NewReader(tif), from, broken}, int64(len(tif)), Options{}); ready || !errors.Is(err, broken) {
			t.Errorf("failing from octet %d: ready %v, %v", from, ready, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ready, err := Ready(ctx, bytes.NewReader(tif), int64(len(tif)), Options{}); ready || !errors.Is(err, context.Canceled) {
		t.Errorf("given up: ready %v, %v", ready, err)
	}
}

// unreadableFrom is a file that cannot be read from an octet on.
type unreadableFrom struct {
	io.ReaderAt
	from int64
	err  error
}

func (f unreadableFrom) ReadAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > f.from {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(p, at)
}
