package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/t30"
	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/modem/tiff"
)

// images reads the pages that scripts name, each file once.
type images struct {
	dir  string
	read map[string][]modem.Page
}

func (m *images) pages(name string) ([]modem.Page, error) {
	if p, ok := m.read[name]; ok {
		return p, nil
	}
	if name != filepath.Base(name) {
		return nil, fmt.Errorf("image %q: name a file without its directory", name)
	}
	data, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil {
		return nil, fmt.Errorf("image (say with -images where they are): %w", err)
	}
	f, err := tiff.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", name, err)
	}
	var out []modem.Page
	for i := range f.Len() {
		b, r, err := f.Page(i)
		if err != nil {
			return nil, fmt.Errorf("image %s, page %d: %w", name, i+1, err)
		}
		out = append(out, modem.Page{Image: b, Resolution: r})
	}
	m.read[name] = out
	return out, nil
}

// first is the only page of an image that the tester sends.
func (m *images) first(name string) (*t4.Bitmap, error) {
	p, err := m.pages(name)
	if err != nil {
		return nil, err
	}
	return p[0].Image, nil
}

// named is the image of a name; nil if there is none.
func (m *images) named(name string) (*t4.Bitmap, error) {
	if name == "" {
		return nil, nil
	}
	return m.first(name)
}

// codings are the names that scripts may use for how a page is coded.
var codings = map[string]string{
	"MH": "MH", "T.4 1-D": "MH", "T.4-1D": "MH", "1D": "MH", "T4_1D": "MH",
	"MR": "MR", "T.4 2-D": "MR", "T.4-2D": "MR", "2D": "MR", "T4_2D": "MR",
	"MMR": "MMR", "T.6": "MMR", "T6": "MMR",
}

// codingOf is the coding that a script asks for, or that DCS does.
func codingOf(name string, s dis.Session) (string, error) {
	if name == "" {
		return s.Coding(), nil
	}
	if c, ok := codings[strings.TrimSpace(name)]; ok {
		return c, nil
	}
	return "", fmt.Errorf("compression %q is unknown; say MH, MR or MMR", name)
}

// coded codes a page in DTE order. Rows to be bad are too short for their width;
// then all are coded in one dimension.
func coded(b *t4.Bitmap, coding string, minBits int, bad map[int]bool) ([]byte, error) {
	var data []byte
	switch {
	case coding == "MMR" && len(bad) > 0:
		return nil, errors.New("no row can be spoilt with T.6, which is not divided by rows")
	case coding == "MMR":
		data = t4.AppendMMR(nil, b)
	case len(bad) > 0:
		data = spoilt(b, coding == "MR", minBits, bad)
	case coding == "MR":
		data = t4.AppendMR(nil, b, t4.MROptions{K: 2, MinBits: minBits, RTC: true})
	default:
		data = t4.AppendMH(nil, b, t4.MHOptions{MinBits: minBits, RTC: true})
	}
	t4.Reverse(data)
	return data, nil
}

// spoilt codes a page some of whose rows are too short.
func spoilt(b *t4.Bitmap, twoD bool, minBits int, bad map[int]bool) []byte {
	var data []byte
	for y := range b.Height {
		row := &t4.Bitmap{Width: b.Width, Height: 1, Stride: b.Stride, Pix: b.Row(y)}
		if bad[y] {
			row = t4.NewBitmap(b.Width-100, 1)
		}
		last := y == b.Height-1
		if twoD {
			data = t4.AppendMR(data, row, t4.MROptions{MinBits: minBits, RTC: last})
		} else {
			data = t4.AppendMH(data, row, t4.MHOptions{MinBits: minBits, RTC: last})
		}
	}
	return data
}

// block cuts a partial page into ECM frames (T.30 Annex A), RCP included.
func block(data []byte, number, frameSize int) [][]byte {
	var out [][]byte
	data = data[min(number*line.MaxBlock*frameSize, len(data)):]
	for i := 0; i < line.MaxBlock && len(data) > 0; i++ {
		n := min(frameSize, len(data))
		fif := append([]byte{byte(i)}, data[:n]...)
		fif = append(fif, make([]byte, frameSize-n)...)
		out = append(out, hdlc.Append(nil, false, byte(t30.FCD), fif...))
		data = data[n:]
	}
	for range 3 {
		out = append(out, hdlc.Append(nil, false, byte(t30.RCP)))
	}
	return out
}

// trainingData is a training check of n octets of zeros, the first of which are
// alternating bits.
func trainingData(n, bad int) []byte {
	data := make([]byte, n)
	copy(data, slices.Repeat([]byte{0x55}, min(bad, n)))
	return data
}
