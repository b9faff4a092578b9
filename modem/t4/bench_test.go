package t4

import (
	"testing"
)

// benchPage is chart 5 of the ITU-T: text, a figure and a graph.
func benchPage(b *testing.B) *Bitmap {
	page := readPBM(b, conformance(b, "charts", "itu5.pbm"))
	b.SetBytes(int64(len(page.Pix)))
	return page
}

func BenchmarkAppendMMR(b *testing.B) {
	page := benchPage(b)
	buf := AppendMMR(nil, page)
	for b.Loop() {
		buf = AppendMMR(buf[:0], page)
	}
}

func BenchmarkDecodeMMR(b *testing.B) {
	page := benchPage(b)
	coded := AppendMMR(nil, page)
	var again Bitmap
	b.ReportAllocs()
	for b.Loop() {
		if err := again.DecodeMMR(coded, page.Width, page.Height); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendMH(b *testing.B) {
	page := benchPage(b)
	buf := AppendMH(nil, page, MHOptions{})
	for b.Loop() {
		buf = AppendMH(buf[:0], page, MHOptions{})
	}
}

func BenchmarkDecodeMH(b *testing.B) {
	page := benchPage(b)
	coded := AppendMH(nil, page, MHOptions{})
	for b.Loop() {
		DecodeMH(coded, page.Width, page.Height)
	}
}
