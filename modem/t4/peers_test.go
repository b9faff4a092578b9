package t4

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// conformance returns a path in the conformance material, which lies outside
// the repository. Where it is absent the test is skipped, or fails if peers are
// required.
func conformance(t testing.TB, elem ...string) string {
	t.Helper()
	dir := os.Getenv("FAXMESH_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "conformance")
	}
	path := filepath.Join(append([]string{dir}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("FAXMESH_REQUIRE_PEERS") == "1" {
			t.Fatalf("conformance material is required: %v", err)
		}
		t.Skipf("needs the conformance material; set FAXMESH_CONFORMANCE to its directory: %v", err)
	}
	return path
}

// readPBM reads a raw portable bitmap, whose pels are as in a Bitmap.
func readPBM(t testing.TB, path string) *Bitmap {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var width, height int
	if _, err := fmt.Sscanf(string(data), "P4\n%d %d\n", &width, &height); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	b := NewBitmap(width, height)
	copy(b.Pix, data[len(data)-len(b.Pix):])
	return b
}

// readStrip returns the only strip of a little-endian TIFF file that libtiff
// wrote, and its dimensions. It trusts the file.
func readStrip(t testing.TB, path string) (strip []byte, width, rows int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	if !bytes.HasPrefix(data, []byte("II*\x00")) {
		t.Fatalf("%s is not a little-endian TIFF file", path)
	}
	ifd := data[le.Uint32(data[4:]):]
	tags := map[uint16]int{}
	for i := range int(le.Uint16(ifd)) {
		e := ifd[2+12*i:]
		v := int(le.Uint32(e[8:]))
		if le.Uint16(e[2:]) == 3 { // SHORT
			v = int(le.Uint16(e[8:]))
		}
		tags[le.Uint16(e)] = v
	}
	return data[tags[273]:][:tags[279]], tags[256], tags[257]
}
