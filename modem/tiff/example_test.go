package tiff_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/modem/tiff"
)

// Two pages are written as they come and read back in any order.
func Example() {
	var file bytes.Buffer
	w := tiff.NewWriter(&file, tiff.Options{})
	for range 2 {
		if err := w.WritePage(t4.NewBitmap(1728, 1143), t4.Standard); err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	f, err := tiff.Open(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		log.Fatal(err)
	}
	page, res, err := f.Page(1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(f.Len(), "pages; the second has", page.Height, "rows,", res.Y, "to the inch")
	// Output:
	// 2 pages; the second has 1143 rows, 98 to the inch
}
