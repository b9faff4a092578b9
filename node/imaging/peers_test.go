package imaging

import (
	"fmt"
	"image"
	"os"
	"path/filepath"
	"testing"

	"github.com/faxmesh/faxmesh/modem/t4"
)

// chart reads one of the ITU-T's test charts, which lie outside the repository.
func chart(t *testing.T, i int) *t4.Bitmap {
	t.Helper()
	dir := os.Getenv("FAXMESH_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "conformance")
	}
	data, err := os.ReadFile(filepath.Join(dir, "charts", fmt.Sprintf("itu%d.pbm", i)))
	if err != nil {
		if os.Getenv("FAXMESH_REQUIRE_PEERS") == "1" {
			t.Fatalf("conformance material is required: %v", err)
		}
		t.Skipf("needs the conformance material; set FAXMESH_CONFORMANCE to its directory: %v", err)
	}
	var width, height int
	if _, err := fmt.Sscanf(string(data), "P4\n%d %d\n", &width, &height); err != nil {
		t.Fatal(err)
	}
	b := t4.NewBitmap(width, height)
	copy(b.Pix, data[len(data)-len(b.Pix):])
	return b
}

// TestChartsAreLineArt: documents photographed or scanned in grey at 150
// pels/inch are not taken for photographs, and stay readable: most pels are
// what they were before.
func TestChartsAreLineArt(t *testing.T) {
	for _, i := range []int{1, 4, 7} {
		original := chart(t, i)
		small := fromBitmap(original).scale(1240, 1240*original.Height*204/196/original.Width)
		img := &image.Gray{Pix: small.pix, Stride: small.width, Rect: image.Rect(0, 0, small.width, small.height)}
		for kind, doc := range map[string][]byte{"PNG": encodePNG(t, img), "JPEG": encodeJPEG(t, img)} {
			p := mustConvert(t, doc, t4.Fine, kind, 1)[0]
			if d := p.Height - original.Height; d < -2 || d > 2 {
				t.Errorf("chart %d, %s: %d rows, want %d", i, kind, p.Height, original.Height)
				continue
			}
			size, whole := len(t4.AppendMMR(nil, p.Bitmap)), len(t4.AppendMMR(nil, original))
			if size > whole*6/5 { // dots would multiply it
				t.Errorf("chart %d, %s: %d octets, the original has %d", i, kind, size, whole)
			}
			before, after := ink(faxPage{Bitmap: original}, 0, 0, 100, 100), ink(p, 0, 0, 100, 100)
			if after < before*0.9 || after > before*1.4 {
				t.Errorf("chart %d, %s: %.4f black, the original %.4f", i, kind, after, before)
			}
		}
	}
}
