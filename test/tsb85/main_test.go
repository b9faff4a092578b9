package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/t30"
	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/modem/tiff"
)

// page writes a small image for the scripts of these tests.
func page(t *testing.T, dir, name string) {
	t.Helper()
	var b bytes.Buffer
	w := tiff.NewWriter(&b, tiff.Options{})
	image := t4.NewBitmap(1728, 60)
	for y := range 60 {
		image.Row(y)[y] = 0x3C
	}
	if err := w.WritePage(image, t4.Standard); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Pieces of scripts.
const (
	frameDCS = `<step type="WAIT" value="75"/><step dir="T" type="PREAMBLE" modem="V.21"/>
		<step dir="T" type="HDLC" tag="DCS" value="FF C8 41 00 50 00"/><step dir="T" type="POSTAMBLE"/>`
	trained = `<step type="CALL"/><step dir="R" type="CED"/>
		<step dir="R" type="HDLC" modem="V.21" tag="DIS" value="FF C8 01 ..."/><step dir="R" type="SILENCE"/>` + frameDCS + `
		<step type="WAIT" value="75"/><step dir="T" type="TCF" modem="V.27ter/4800" value="900"/>
		<step dir="R" type="HDLC" tag="CFR" value="FF C8 21"/><step dir="R" type="SILENCE"/>`
	paged = trained + `<step type="WAIT" value="75"/><step dir="T" type="MSG" modem="V.27ter/4800" value="page.tif"/>
		<step type="WAIT" value="75"/><step dir="T" type="PREAMBLE" modem="V.21"/>
		<step dir="T" type="HDLC" value="FF C8 74"/><step dir="T" type="POSTAMBLE"/>`
	left = `<step type="WAIT" value="75"/><step dir="T" type="PREAMBLE" modem="V.21"/>
		<step dir="T" type="HDLC" value="FF C8 5F"/><step dir="T" type="POSTAMBLE"/>
		<step dir="T" type="CLEAR"/><step dir="R" type="CLEAR" timein="0" timeout="100"/>`
	confirmed = `<step dir="R" type="HDLC" tag="MCF" value="FF C8 31"/><step dir="R" type="SILENCE"/>`
	sent      = `<step type="ANSWER" value="page.tif"/><step dir="R" type="CNG"/><step dir="T" type="CED"/>
		<step type="WAIT" value="75"/><step dir="T" type="PREAMBLE" modem="V.21"/>
		<step dir="T" type="HDLC" tag="DIS" value="FF C8 01 00 50 00"/><step dir="T" type="POSTAMBLE"/>
		<step dir="R" type="HDLC" tag="DCS" value="FF C8 C1 00 50 00"/><step dir="R" type="TCF" modem="V.27ter/4800"/>`
	refused = `<step type="WAIT" value="75"/><step dir="T" type="PREAMBLE" modem="V.21"/>
		<step dir="T" type="HDLC" value="FF C8 5F"/><step dir="T" type="POSTAMBLE"/>
		<step dir="T" type="CLEAR"/><step dir="R" type="CLEAR"/>`
)

// A tester that finds no fault proves nothing: each of these differs from what
// the device does in one place, and the first deviation must be there.
func TestDeviations(t *testing.T) {
	dir := t.TempDir()
	page(t, dir, "page.tif")
	for _, c := range []struct {
		name, script, want string // want: in the deviation; empty: the script passes
	}{
		{"receives", paged + confirmed + left + `<step type="STATUS" value="OK"/>`, ""},
		{"is refused", sent + refused + `<step type="STATUS" value="TX_BADDCS"/>`, ""},
		{"no step at all is known", `<step type="CALL"/><step dir="R" type="MAGIC"/>`, `line 1: step type "R MAGIC" is unknown`},
		{"other frame", paged + `<step dir="R" type="HDLC" tag="RTN" value="FF C8 32"/>`, "R HDLC RTN FF C8 32: it sent MCF (FF C8 31) instead"},
		{"frame with more behind it", trained[:strings.Index(trained, "...")] + trained[strings.Index(trained, "...")+3:], "it sent DIS"},
		{"frame instead of an image", paged + `<step dir="R" type="MSG" modem="V.27ter/4800"/>`, "it sent MCF"},
		{"other modem", strings.Replace(sent, `TCF" modem="V.27ter/4800`, `TCF" modem="V.29/9600`, 1), "it sent TCF V.27ter 4800 instead"},
		{"other X bit", strings.Replace(sent, "FF C8 C1 00 50", "FF C8 41 00 50", 1), "FF C8 C1 00 50 00"},
		{"too slow", paged + `<step dir="R" type="HDLC" value="FF C8 31" timeout="500"/>`, "not heard within 500ms"},
		{"silence where it speaks", paged + `<step dir="R" type="CLEAR" timein="0" timeout="5000"/>`, "it sent MCF"},
		{"no hurry", trained + `<step dir="R" type="CLEAR" timein="20000" timeout="60000"/>`, "it sent DCN"},
		{"hangs up early", trained + `<step dir="R" type="HDLC" value="FF C8 5F"/><step dir="R" type="CLEAR" timein="2000" timeout="3000"/>`, "it hung up after"},
		{"hangs up late", trained + `<step dir="R" type="HDLC" value="FF C8 5F"/><step dir="R" type="CLEAR" timein="0" timeout="300"/>`, "it did not hang up within 300ms"},
		{"other ending", paged + confirmed + left + `<step type="STATUS" value="CALLDROPPED"/>`, "its call ended ok"},
		{"unknown ending", paged + confirmed + left + `<step type="STATUS" value="FINE"/>`, `ending "FINE" is unknown`},
		{"nothing was out of place", paged + confirmed + left + `<step type="STATUS" value="UNEXPECTED"/>`, "has not noticed"},
		{"preamble", paged + strings.Replace(confirmed, `/>`, `><check desc="preamble is 10ms to 20ms"/></step>`, 1), "preamble is 10ms to 20ms: it was"},
		{"no repetition", paged + `<repeat min="1"><step dir="R" type="HDLC" value="FF C8 37"/></repeat>`, "it sent MCF"},
		{"repetition that is not due", paged + `<repeat min="0"><step dir="R" type="HDLC" value="FF C8 37"/></repeat>` + confirmed + left + `<step type="STATUS" value="OK"/>`, ""},
	} {
		for _, lineName := range []string{"bare", "class1"} {
			t.Run(c.name+" "+lineName, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "scripts.xml")
				text := `<fax-tests><test-group><test name="X">` + c.script + `</test></test-group></fax-tests>`
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				var out, errs bytes.Buffer
				ok, err := run([]string{"-json", "-line", lineName, "-images", dir, file}, inTest(t), &out, &errs)
				if err != nil {
					t.Fatal(err)
				}
				var r result
				if err := json.NewDecoder(&out).Decode(&r); err != nil {
					t.Fatal(err)
				}
				if ok != (c.want == "") || ok != r.OK || !strings.Contains(r.Deviation, c.want) {
					t.Errorf("ok %v, deviation %q; want %q\n%s", ok, r.Deviation, c.want, r.Transcript)
				}
			})
		}
	}
}

// uncut is coded data that no row was spoilt of.
func uncut(data []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return data
}

func TestRowsTakeTheirTime(t *testing.T) {
	image := t4.NewBitmap(1728, 40)
	s := dis.Session{dis.Rate: 0b0010} // 4800 bit/s, 20 ms
	for minBits, want := range map[int]bool{96: true, 95: false, 0: false, 500: true} {
		if err := checkRows(uncut(coded(image, "MH", minBits, nil)), s, 0); (err == nil) != want {
			t.Errorf("rows of %d bits: %v", minBits, err)
		}
		if err := checkRows(uncut(coded(image, "MR", minBits, nil)), s, 0); (err == nil) != want {
			t.Errorf("rows of %d bits in two dimensions: %v", minBits, err)
		}
	}
}

// A page in partial pages is put together by frame number, frames sent again
// included, and compared with the document.
func TestAssembly(t *testing.T) {
	image, other := t4.NewBitmap(1728, 3000), t4.NewBitmap(1728, 3000)
	other.Row(2999)[0] = 0x80
	for b, want := range map[*t4.Bitmap]bool{image: true, other: false} {
		var a arriving
		data := uncut(coded(b, "MH", 200, nil))
		for n := 0; n*line.MaxBlock*256 < len(data); n++ {
			frames := block(data, n, 256)
			if _, ok := a.confirmed(); ok {
				t.Fatal("a page before its end")
			}
			a.take(frames[1:])
			a.take(frames[:1])
			then := byte(t30.NULL)
			if (n+1)*line.MaxBlock*256 >= len(data) {
				then = byte(t30.EOP) | 1
			}
			a.post(hdlc.Append(nil, true, byte(t30.PPS)|1, then, 0, byte(n), 0))
		}
		page, ok := a.confirmed()
		if err := a.page(page, dis.Session{dis.ECM: 1}, nil, document{{Image: image}}); !ok || (err == nil) != want {
			t.Errorf("whole: %v, %v", ok, err)
		}
	}
}

func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	page(t, dir, "page.tif")
	for name, c := range map[string]struct{ text, want string }{
		"not XML":         {"<fax-tests><test", "read script"},
		"cut off":         {`<fax-tests><test name="X"><step type="CALL"/>`, "read script X"},
		"no script":       {"<fax-tests/>", "holds no script"},
		"deep":            {"<fax-tests><test>" + strings.Repeat("<repeat>", 1<<16), "more than 4 deep"},
		"bad repetition":  {`<fax-tests><test name="X"><repeat min="many"/></test></fax-tests>`, `min="many"`},
		"image elsewhere": {`<fax-tests><test name="X"><step type="ANSWER" value="../page.tif"/></test></fax-tests>`, ""},
	} {
		file := filepath.Join(dir, "scripts.xml")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		ok, err := run([]string{"-images", dir, file}, inTest(t), &out, &errs)
		if ok || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) || c.want == "" && !strings.Contains(out.String(), "FAIL X") {
			t.Errorf("%s: %v, %v, %s", name, ok, err, out.String())
		}
	}
}

// conformance is where the open scripts are kept, outside of the repository.
func conformance() string {
	if dir := os.Getenv("FAXMESH_CONFORMANCE"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "..", "shared", "conformance")
}

func TestOpenScripts(t *testing.T) {
	file := filepath.Join(conformance(), "t30", "tsb85-open.xml")
	if _, err := os.Stat(file); err != nil {
		if os.Getenv("FAXMESH_REQUIRE_PEERS") == "1" {
			t.Fatalf("the open scripts are required: %v", err)
		}
		t.Skipf("needs the conformance material; set FAXMESH_CONFORMANCE to its directory: %v", err)
	}
	for _, lineName := range []string{"bare", "class1"} {
		t.Run(lineName, func(t *testing.T) {
			var out, errs bytes.Buffer
			ok, err := run([]string{"-line", lineName, "-images", filepath.Join(conformance(), "etsi"), file}, inTest(t), &out, &errs)
			if !ok || err != nil {
				t.Errorf("%v\n%s", err, out.String())
			}
		})
	}
}
