package main

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/test/interop/lab"
)

// TestFloor: what was computed by hand for ITU chart 1, fine, in MMR with ECM
// at 14400 bit/s: 18103 octets, 28.33 s after the answer, 13.56 s for each
// further page.
func TestFloor(t *testing.T) {
	mode := lineModes[0]
	page := ecmPage(18103, mode)
	if math.Abs(page-13.56) > 0.02 {
		t.Errorf("a page takes %.3f s, want 13.56", page)
	}
	if whole := setUp - dialling - 0.005 + page + dcn; math.Abs(whole-28.33) > 0.03 {
		t.Errorf("a call takes %.3f s, want 28.33", whole)
	}
	if two := ecmPage(69275, mode); math.Abs(two-ecmPage(blockOctets, mode)-ecmPage(69275-blockOctets, mode)) > 1e-9 {
		t.Errorf("a page of two blocks takes %.3f s: each block has its own confirmation", two)
	}
	white := lab.Document{{Image: t4.NewBitmap(1728, 2292)}}
	three := slices.Repeat(white, 3)
	for _, m := range lineModes {
		one := floor(white, m)
		if more := floor(three, m) - one; more <= 0 || more > 2*one || one < time.Duration(setUp*float64(time.Second)) {
			t.Errorf("%s: one page %v, two more %v", modeName(m), one, more)
		}
	}
}

func TestPageCounts(t *testing.T) {
	if got, err := pageCounts("1,5,20"); err != nil || !slices.Equal(got, []int{1, 5, 20}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "0", "51", "1,,2", "x"} {
		if _, err := pageCounts(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
