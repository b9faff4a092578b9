package t4_test

import (
	"fmt"
	"log"

	"github.com/faxmesh/faxmesh/modem/t4"
)

// A page with a black bar is coded for a line without error correction and
// decoded again after noise has hit it.
func Example() {
	page := t4.NewBitmap(1728, 100)
	for y := range page.Height {
		page.Row(y)[20] = 0xFF
	}
	coded := t4.AppendMH(nil, page, t4.MHOptions{MinBits: 192, RTC: true}) // 20 ms at 9600 bit/s
	coded[986] = 0x55

	received, quality := t4.DecodeMH(coded, 1728, t4.MaxRows)
	fmt.Println(quality.Rows, "rows,", quality.BadRows, "damaged, whole again:", received.Equal(page))

	// With error correction nothing is damaged, and T.6 is shorter.
	fmt.Println(len(coded), "octets in MH,", len(t4.AppendMMR(nil, page)), "in MMR")
	// Output:
	// 100 rows, 1 damaged, whole again: true
	// 2409 octets in MH, 43 in MMR
}

// A page of A3 at 300 pels to the inch is made what the remote station takes:
// A4, metric, no finer than fine.
func ExampleFit() {
	page := t4.NewBitmap(t4.Inch300.Width(t4.A3), 4960)
	to := t4.Inch300.Closest(t4.Standard, t4.Fine)
	page, err := t4.Fit(page, t4.Inch300, to, to.Width(t4.A4))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(to == t4.Fine, page.Width, "x", page.Height)
	// Output:
	// true 1728 x 2349
}
