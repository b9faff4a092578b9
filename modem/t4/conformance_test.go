package t4

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mmrSizes are the octets of the ITU-T charts in T.6, as libtiff codes them.
var mmrSizes = []int{18103, 10803, 28706, 69275, 32222, 16651, 69282, 19099}

func TestChartsMMR(t *testing.T) {
	for i, want := range mmrSizes {
		chart := readPBM(t, conformance(t, "charts", fmt.Sprintf("itu%d.pbm", i+1)))
		coded := AppendMMR(nil, chart)
		if len(coded) != want {
			t.Errorf("chart %d: %d octets, want %d", i+1, len(coded), want)
		}
		got, err := DecodeMMR(coded, chart.Width, MaxRows)
		if err != nil || !got.Equal(chart) {
			t.Errorf("chart %d does not come back: %v", i+1, err)
		}
	}
}

// TestChartsLibtiff holds our code octet by octet against libtiff's.
func TestChartsLibtiff(t *testing.T) {
	for _, i := range []int{1, 2, 3, 5, 7} {
		chart := readPBM(t, conformance(t, "charts", fmt.Sprintf("itu%d.pbm", i)))
		load := func(kind string) []byte {
			strip, width, rows := readStrip(t, conformance(t, "charts", fmt.Sprintf("itu%d_%s.tif", i, kind)))
			if width != chart.Width || rows != chart.Height {
				t.Fatalf("itu%d_%s is %d x %d", i, kind, width, rows)
			}
			return strip
		}
		lsb := load("mmr_lsb")
		Reverse(lsb)
		for kind, octets := range map[string][2][]byte{
			"mmr":     {AppendMMR(nil, chart), load("mmr")},
			"mmr_lsb": {AppendMMR(nil, chart), lsb},
			"mh":      {AppendMH(nil, chart, MHOptions{}), load("mh")},
			"mr":      {AppendMR(nil, chart, MROptions{K: 4}), load("mr")},
			"mh_fill": {AppendMH(nil, chart, MHOptions{AlignEOL: true}), load("mh_fill")},
		} {
			if !bytes.Equal(octets[0], octets[1]) {
				t.Errorf("chart %d, %s: ours has %d octets, libtiff's %d, or they differ",
					i, kind, len(octets[0]), len(octets[1]))
			}
		}
		for _, kind := range []string{"mh", "mh_fill"} {
			got, q := DecodeMH(load(kind), chart.Width, MaxRows)
			if !got.Equal(chart) || !clean(q, chart.Height) {
				t.Errorf("chart %d, %s: decoded wrong, %+v", i, kind, q)
			}
		}
		got, q := DecodeMR(load("mr"), chart.Width, MaxRows)
		if !got.Equal(chart) || !clean(q, chart.Height) {
			t.Errorf("chart %d, mr: decoded wrong, %+v", i, q)
		}
	}
}

// TestChartsNetpbm decodes what another encoder makes, RTC included.
func TestChartsNetpbm(t *testing.T) {
	for _, i := range []int{1, 2, 3, 5, 7} {
		chart := readPBM(t, conformance(t, "charts", fmt.Sprintf("itu%d.pbm", i)))
		data, err := os.ReadFile(conformance(t, "charts", fmt.Sprintf("itu%d_netpbm.g3", i)))
		if err != nil {
			t.Fatal(err)
		}
		got, q := DecodeMH(data, chart.Width, MaxRows)
		if !got.Equal(chart) || !clean(q, chart.Height) {
			t.Errorf("chart %d: decoded wrong, %d rows, %+v", i, got.Height, q)
		}
	}
}

// shortPages end with EOFB before the rows that their file announces.
var shortPages = map[string]int{"105_0-w1824.raw": 680, "192_0-w1832.raw": 3012}

// TestOddMMR decodes files that have broken decoders. Their code is whole: what
// comes out, coded again, decodes to the same rows.
func TestOddMMR(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(conformance(t, "damaged"), "*.raw"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, raw := range files {
		name := filepath.Base(raw)
		data, err := os.ReadFile(raw)
		if err != nil {
			t.Fatal(err)
		}
		var width int
		fmt.Sscanf(name[strings.Index(name, "-w"):], "-w%d.raw", &width)
		_, _, rows := readStrip(t, filepath.Join(filepath.Dir(raw), name[:strings.Index(name, "_")]+".tif"))
		if short, ok := shortPages[name]; ok {
			rows = short
		}
		got, err := DecodeMMR(data, width, rows)
		if err != nil || got.Height != rows {
			t.Errorf("%s: %d rows of %d: %v", name, got.Height, rows, err)
			continue
		}
		again, err := DecodeMMR(AppendMMR(nil, got), width, rows)
		if err != nil || !again.Equal(got) {
			t.Errorf("%s does not come back: %v", name, err)
		}
	}
}
