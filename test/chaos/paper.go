//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/modem/tiff"
)

// mark says which page of which fax a page is. Pages carry theirs in print.
type mark struct {
	Fax  uint64 `json:"fax"`
	Page uint16 `json:"page"` // from 0
}

func (m mark) String() string { return fmt.Sprintf("page %d of fax %x", m.Page+1, m.Fax) }

// The print of a mark: bands of squares, one for each bit, black is 1; below
// them noise, so that the page takes its time on the line.
const (
	squareWidth  = 64 // pels
	bandRows     = 8
	squaresABand = pageWidth / squareWidth
	markBits     = (8 + 2 + 4) * 8
	bands        = (markBits + squaresABand - 1) / squaresABand
	pageWidth    = 1728
	noiseRows    = 60
	pageRows     = bands*bandRows + noiseRows
)

// octets of a mark are its fields and a checksum.
func (m mark) octets() []byte {
	b := binary.BigEndian.AppendUint64(nil, m.Fax)
	b = binary.BigEndian.AppendUint16(b, m.Page)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// print is the page of a mark.
func (m mark) print() *t4.Bitmap {
	page := t4.NewBitmap(pageWidth, pageRows)
	octets := m.octets()
	for bit := range markBits {
		if octets[bit/8]>>(7-bit%8)&1 == 0 {
			continue
		}
		for y := range bandRows {
			row := page.Row(bit/squaresABand*bandRows + y)
			for x := range squareWidth / 8 {
				row[bit%squaresABand*(squareWidth/8)+x] = 0xff
			}
		}
	}
	noise := rand.New(rand.NewPCG(m.Fax, uint64(m.Page)))
	for y := range noiseRows {
		row := page.Row(bands*bandRows + y)
		for x := 0; x < len(row); x += 4 {
			row[x] = byte(noise.Uint32())
		}
	}
	return page
}

// readMark reads the mark of a page; false if it has none.
func readMark(page *t4.Bitmap) (mark, bool) {
	if page.Width != pageWidth || page.Height < bands*bandRows {
		return mark{}, false
	}
	octets := make([]byte, markBits/8)
	for bit := range markBits {
		row := page.Row(bit/squaresABand*bandRows + bandRows/2)
		if row[bit%squaresABand*(squareWidth/8)+squareWidth/16] == 0xff {
			octets[bit/8] |= 1 << (7 - bit%8)
		}
	}
	m := mark{binary.BigEndian.Uint64(octets), binary.BigEndian.Uint16(octets[8:])}
	return m, bytes.Equal(octets, m.octets())
}

// letter is a document of marked pages, as TIFF-F.
func letter(fax uint64, pages int) ([]byte, error) {
	var b bytes.Buffer
	w := tiff.NewWriter(&b, tiff.Options{Coding: tiff.Group4})
	for p := range pages {
		if err := w.WritePage(mark{fax, uint16(p)}.print(), t4.Fine); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// marksOf are the marks of the pages of a TIFF-F file.
func marksOf(file []byte) ([]mark, error) {
	doc, err := tiff.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, err
	}
	var marks []mark
	for i := range doc.Len() {
		page, _, err := doc.Page(i)
		if err != nil {
			return nil, err
		}
		m, ok := readMark(page)
		if !ok {
			return nil, fmt.Errorf("page %d has no mark that can be read", i+1)
		}
		marks = append(marks, m)
	}
	return marks, nil
}

// sheets are the pages of a fax, for a modem.
type sheets struct {
	fax   uint64
	pages int
}

func (s sheets) Len() int { return s.pages }

func (s sheets) Page(i int) (modem.Page, error) {
	return modem.Page{Image: mark{s.fax, uint16(i)}.print(), Resolution: t4.Fine}, nil
}
