package imaging

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/modem/tiff"
)

// faxPage is one page of a result.
type faxPage struct {
	*t4.Bitmap
	res t4.Resolution
}

func convert(t testing.TB, doc []byte, res t4.Resolution) (Info, []faxPage, error) {
	t.Helper()
	var out bytes.Buffer
	info, err := Convert(context.Background(), bytes.NewReader(doc), int64(len(doc)), "doc", &out, Options{Resolution: res})
	if err != nil {
		return info, nil, err
	}
	f, err := tiff.Open(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	var pages []faxPage
	for i := range f.Len() {
		b, res, err := f.Page(i)
		if err != nil {
			t.Fatal(err)
		}
		if b.Width != Width {
			t.Fatalf("page %d is %d pels wide", i+1, b.Width)
		}
		pages = append(pages, faxPage{b, res})
	}
	if info.Pages != len(pages) {
		t.Fatalf("%d pages announced, %d written", info.Pages, len(pages))
	}
	return info, pages, nil
}

func mustConvert(t testing.TB, doc []byte, res t4.Resolution, kind string, pages int) []faxPage {
	t.Helper()
	info, got, err := convert(t, doc, res)
	if err != nil {
		t.Fatal(err)
	}
	if info.Kind != kind || len(got) != pages {
		t.Fatalf("%s of %d pages, want %s of %d", info.Kind, len(got), kind, pages)
	}
	return got
}

// ink is the share of black in a part of a page, given in percent of it.
func ink(b faxPage, x0, y0, x1, y1 int) float64 {
	black, all := 0, 0
	for y := b.Height * y0 / 100; y < b.Height*y1/100; y++ {
		for x := b.Width * x0 / 100; x < b.Width*x1/100; x++ {
			all++
			if b.Row(y)[x/8]<<(x%8)&0x80 != 0 {
				black++
			}
		}
	}
	return float64(black) / float64(all)
}

func near(got, want, tolerance float64) bool { return math.Abs(got-want) <= tolerance }

func encodePNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodeJPEG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodeTIFF(t testing.TB, res t4.Resolution, pages ...*t4.Bitmap) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tiff.NewWriter(&b, tiff.Options{Coding: tiff.Group3, LSBFirst: true})
	for _, p := range pages {
		if err := w.WritePage(p, res); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// gradient is dark on the left and light on the right.
func gradient(width, height int) *image.Gray {
	img := image.NewGray(image.Rect(0, 0, width, height))
	for i := range img.Pix {
		img.Pix[i] = uint8(i % width * 255 / (width - 1))
	}
	return img
}

// corner is white with a black upper left quarter.
func corner(width, height int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, width, height)) // transparent
	for y := range height / 2 {
		for x := range width / 2 {
			img.SetNRGBA(x, y, color.NRGBA{0, 0, 0, 255})
		}
	}
	return img
}

func noise(seed uint64, width, height int) *t4.Bitmap {
	r := rand.New(rand.NewPCG(seed, 1))
	b := t4.NewBitmap(width, height)
	for y := range height {
		for x := range width {
			if r.IntN(3) == 0 {
				b.Row(y)[x/8] |= 0x80 >> (x % 8)
			}
		}
	}
	return b
}

func TestPhotograph(t *testing.T) {
	for _, res := range []t4.Resolution{t4.Standard, t4.Fine, t4.Superfine} {
		for kind, doc := range map[string][]byte{
			"PNG":  encodePNG(t, gradient(400, 500)),
			"JPEG": encodeJPEG(t, gradient(400, 500)),
		} {
			p := mustConvert(t, doc, res, kind, 1)[0]
			want := float64(500) / 400 * Width * float64(res.Y) / float64(res.X)
			if p.res != res || !near(float64(p.Height), want, 1) {
				t.Errorf("%s: %d rows at %v, want %.0f", kind, p.Height, p.res, want)
			}
			// Dots must be as dense as the grey is dark, everywhere.
			for _, x := range []int{0, 20, 40, 60, 80} {
				if got, want := ink(p, x, 0, x+20, 100), 0.9-float64(x)/100; !near(got, want, 0.02) {
					t.Errorf("%s at %v: from %d%%: %.3f black, want %.3f", kind, res, x, got, want)
				}
			}
		}
	}
}

func TestLineArt(t *testing.T) {
	p := mustConvert(t, encodePNG(t, corner(300, 400)), t4.Fine, "PNG", 1)[0]
	for _, c := range [][4]int{{0, 0, 49, 49}, {51, 0, 100, 49}, {0, 51, 49, 100}, {51, 51, 100, 100}} {
		want := 0.0
		if c[2]+c[3] == 98 {
			want = 1
		}
		if got := ink(p, c[0], c[1], c[2], c[3]); got != want {
			t.Errorf("%v: %.3f black, want %.0f", c, got, want)
		}
	}
	// A line thinner than a pel of the fax is thinner there, not gone.
	thin := image.NewGray(image.Rect(0, 0, 4000, 5000))
	for i := range thin.Pix {
		thin.Pix[i] = 255
		if i%4000 == 2000 {
			thin.Pix[i] = 0
		}
	}
	p = mustConvert(t, encodePNG(t, thin), t4.Fine, "PNG", 1)[0]
	if got := ink(p, 0, 0, 100, 100); got == 0 || got > 2.0/Width {
		t.Errorf("a thin line: %.5f black", got)
	}
}

// TestFlat: an empty sheet stays white, however its paper shines.
func TestFlat(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	sheet := image.NewGray(image.Rect(0, 0, 300, 400))
	for i := range sheet.Pix {
		sheet.Pix[i] = uint8(200 + r.IntN(20))
	}
	p := mustConvert(t, encodePNG(t, sheet), t4.Fine, "PNG", 1)[0]
	if got := ink(p, 0, 0, 100, 100); got != 0 {
		t.Errorf("%.4f black", got)
	}
}

func TestLandscape(t *testing.T) {
	// Turned clockwise, the upper left corner comes to the upper right.
	p := mustConvert(t, encodePNG(t, corner(400, 300)), t4.Fine, "PNG", 1)[0]
	if p.Height < Width || ink(p, 51, 0, 100, 49) != 1 || ink(p, 0, 0, 49, 49) != 0 || ink(p, 51, 51, 100, 100) != 0 {
		t.Errorf("%d rows, upper right %.3f", p.Height, ink(p, 51, 0, 100, 49))
	}
}

func TestEXIF(t *testing.T) {
	// Where the upper left corner comes to lie, in percent of the page.
	at := map[byte][2]int{1: {0, 0}, 2: {51, 0}, 3: {51, 51}, 4: {0, 51}, 5: {0, 0}, 6: {51, 0}, 7: {51, 51}, 8: {0, 51}}
	for o, c := range at {
		width, height := 300, 400
		if o >= 5 {
			width, height = height, width
		}
		img := image.NewGray(image.Rect(0, 0, width, height))
		draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
		draw.Draw(img, image.Rect(0, 0, width/2, height/2), image.Black, image.Point{}, draw.Src)
		plain := encodeJPEG(t, img)
		exif := "\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00" +
			string([]byte{o}) + "\x00\x00\x00\x00\x00\x00"
		doc := append([]byte(plain[:2:2]), exif...)
		p := mustConvert(t, append(doc, plain[2:]...), t4.Fine, "JPEG", 1)[0]
		if got, all := ink(p, c[0], c[1], c[0]+49, c[1]+49), ink(p, 0, 0, 100, 100); got < 0.98 || all > 0.27 {
			t.Errorf("orientation %d: %.3f black in its quarter, %.3f in all", o, got, all)
		}
	}
}

func TestFaxFormIsExact(t *testing.T) {
	for _, res := range []t4.Resolution{t4.Standard, t4.Fine} {
		in := []*t4.Bitmap{noise(1, Width, 500), noise(2, Width, 1), noise(3, Width, 6000)}
		for i, p := range mustConvert(t, encodeTIFF(t, res, in...), t4.Fine, "TIFF", 3) {
			if !p.Equal(in[i]) || p.res != res {
				t.Errorf("page %d at %v has changed", i+1, res)
			}
		}
	}
	// 200 x 200 passes for fine; a narrow page is centred.
	in := noise(4, 1701, 300)
	p := mustConvert(t, encodeTIFF(t, t4.Resolution{X: 200, Y: 200}, in), t4.Fine, "TIFF", 1)[0]
	if p.res != t4.Fine || p.Height != 300 {
		t.Fatalf("%d rows at %v", p.Height, p.res)
	}
	for y := range 300 {
		for x := range Width {
			u := x - (Width-1701)/2
			want := u >= 0 && u < 1701 && in.Row(y)[u/8]<<(u%8)&0x80 != 0
			if got := p.Row(y)[x/8]<<(x%8)&0x80 != 0; got != want {
				t.Fatalf("pel %d, %d is %v", x, y, got)
			}
		}
	}
}

func TestOtherTIFF(t *testing.T) {
	black := func(width, height int) *t4.Bitmap {
		b := t4.NewBitmap(width, height)
		for y := range height {
			for x := range width / 2 {
				b.Row(y)[x/8] |= 0x80 >> (x % 8)
			}
		}
		return b
	}
	for _, c := range []struct {
		name          string
		width, height int
		from, to      t4.Resolution
		rows          int
		left, right   int // where it is black, in percent
	}{
		{"fine to standard", Width, 2200, t4.Fine, t4.Standard, 1100, 0, 50},
		{"300 pels/inch", 2550, 3300, t4.Resolution{X: 300, Y: 300}, t4.Fine, 2149, 0, 50},
		{"A3", 2432, 3200, t4.Fine, t4.Fine, 2274, 0, 50},
		{"small", 600, 600, t4.Resolution{X: 300, Y: 300}, t4.Fine, 392, 39, 50},
		{"standard to standard, square", 1000, 1000, t4.Resolution{X: 72, Y: 72}, t4.Standard, 830, 0, 50},
	} {
		p := mustConvert(t, encodeTIFF(t, c.from, black(c.width, c.height)), c.to, "TIFF", 1)[0]
		if p.res != c.to || !near(float64(p.Height), float64(c.rows), 2) {
			t.Errorf("%s: %d rows at %v, want %d", c.name, p.Height, p.res, c.rows)
		}
		if ink(p, c.left, 0, c.right, 100) < 0.97 || ink(p, c.right+1, 0, 100, 100) != 0 {
			t.Errorf("%s: black is elsewhere", c.name)
		}
	}
}

func TestLongPicture(t *testing.T) {
	pages := mustConvert(t, encodePNG(t, gradient(400, 2400)), t4.Fine, "PNG", 5)
	rows := 0
	for i, p := range pages {
		rows += p.Height
		if i < 4 && p.Height != a4Rows(t4.Fine) {
			t.Errorf("page %d has %d rows", i+1, p.Height)
		}
	}
	if !near(float64(rows), 6*Width*196.0/204, 1) {
		t.Errorf("%d rows in all", rows)
	}
}

func TestRefused(t *testing.T) {
	tif := encodeTIFF(t, t4.Fine, noise(1, Width, 100))
	pic := encodePNG(t, gradient(100, 100))
	photo := encodeJPEG(t, gradient(100, 100))
	huge := bytes.Clone(pic)
	huge[16], huge[20] = 0x10, 0x10 // the CRC says it is damaged; see below
	for _, c := range []struct {
		name string
		doc  []byte
		want error
		text string
	}{
		{"nothing", nil, ErrUnsupported, "empty"},
		{"PDF", []byte("%PDF-1.7\n1 0 obj"), ErrUnsupported, "PDF document; accepted are TIFF-F"},
		{"PDF behind white space", []byte("\r\n %PDF-1.7\n1 0 obj"), ErrUnsupported, "PDF"},
		{"office", []byte("PK\x03\x04rest"), ErrUnsupported, "office"},
		{"encrypted office", []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), ErrUnsupported, "encrypted"},
		{"RTF", []byte("{\\rtf1 hello}"), ErrUnsupported, "RTF"},
		{"UTF-16", []byte("\xff\xfeh\x00i\x00"), ErrUnsupported, "UTF-16"},
		{"octets", []byte{1, 2, 3, 4, 5}, ErrUnsupported, "unknown kind"},
		{"Latin-1 late", append(bytes.Repeat([]byte("text "), 400), 0xE9, 'a'), ErrUnsupported, "UTF-8"},
		{"blank text", []byte(" \n\t\n"), ErrUnsupported, "blank"},
		{"a letter we do not have", []byte("one\ntwo \u6f22\n"), ErrUnsupported, "line 2"},
		{"TIFF cut off", tif[:len(tif)/2], ErrDamaged, "page 1"},
		{"TIFF of nothing", []byte("II*\x00\x00\x00\x00\x00"), ErrDamaged, "no pages"},
		{"PNG cut off", pic[:len(pic)/2], ErrDamaged, "PNG"},
		{"PNG header damaged", huge, ErrDamaged, "PNG"},
		{"JPEG cut off", photo[:len(photo)/2], ErrDamaged, "JPEG"},
		{"JPEG of nothing", []byte("\xff\xd8\xff"), ErrDamaged, "JPEG"},
		{"TIFF to scale, large", encodeTIFF(t, t4.Resolution{X: 600, Y: 600}, t4.NewBitmap(8000, 8000)), ErrTooLarge, "page 1"},
		{"TIFF, narrow", encodeTIFF(t, t4.Resolution{X: 600, Y: 600}, t4.NewBitmap(8000, 8)), ErrUnsupported, "page 1"},
		{"narrow", encodePNG(t, gradient(1100, 100)), ErrUnsupported, "narrow"},
		{"much text", bytes.Repeat([]byte("a"), MaxText+1), ErrTooLarge, "text"},
		{"many pages", bytes.Repeat([]byte("a\f"), MaxPages+1), ErrTooLarge, "pages"},
	} {
		_, _, err := convert(t, c.doc, t4.Fine)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), `"doc": `) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	_, err := Convert(context.Background(), bytes.NewReader(tif), MaxDocument+1, "doc", io.Discard, Options{})
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("a large document: %v", err)
	}
	_, err = Convert(context.Background(), bytes.NewReader(tif), int64(len(tif)), "doc", io.Discard, Options{Resolution: t4.Resolution{X: 1, Y: 2}})
	if err == nil {
		t.Error("made pages at a resolution that does not exist")
	}
}

// TestPixelBomb: a picture whose header promises more than the limit is refused
// by its header, which is all there is of it.
func TestPixelBomb(t *testing.T) {
	var header bytes.Buffer
	c := pngChunks{w: &header}
	c.write([]byte("\x89PNG\r\n\x1a\n"))
	c.chunk("IHDR", []byte{0, 0, 0x40, 0, 0, 0, 0x40, 0, 8, 2, 0, 0, 0})
	if _, _, err := convert(t, header.Bytes(), t4.Fine); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

var errDisk = errors.New("disk failure")

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errDisk }
func (failing) Write([]byte) (int, error)         { return 0, errDisk }

// TestNotTheDocumentsFault: what is wrong here is of none of the kinds.
func TestNotTheDocumentsFault(t *testing.T) {
	doc := encodePNG(t, gradient(100, 100))
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	_, readErr := Convert(context.Background(), failing{}, 100, "doc", io.Discard, Options{})
	_, writeErr := Convert(context.Background(), bytes.NewReader(doc), int64(len(doc)), "doc", failing{}, Options{})
	_, stopErr := Convert(stopped, bytes.NewReader(doc), int64(len(doc)), "doc", io.Discard, Options{})
	for _, c := range []struct{ got, want error }{{readErr, errDisk}, {writeErr, errDisk}, {stopErr, context.Canceled}} {
		if !errors.Is(c.got, c.want) || errors.Is(c.got, ErrDamaged) || errors.Is(c.got, ErrUnsupported) {
			t.Errorf("%v, want %v", c.got, c.want)
		}
	}
}

// FuzzConvert: whatever comes is a file of pages or an error of a known kind.
func FuzzConvert(f *testing.F) {
	f.Add([]byte("Dear Sir,\n\tplease find\fenclosed.\n"))
	f.Add(encodePNG(f, gradient(12, 9)))
	f.Add(encodeJPEG(f, gradient(9, 12)))
	f.Add(encodeTIFF(f, t4.Fine, noise(1, 40, 3), noise(2, Width, 2)))
	f.Fuzz(func(t *testing.T, doc []byte) {
		_, _, err := convert(t, doc, t4.Standard)
		opt := Options{Resolution: t4.Standard}
		if _, ready, _ := Ready(t.Context(), bytes.NewReader(doc), int64(len(doc)), opt); ready && err != nil {
			t.Fatal("ready, but:", err)
		}
		if err != nil && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrTooLarge) {
			t.Fatal(err)
		}
	})
}
