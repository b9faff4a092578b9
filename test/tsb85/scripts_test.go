package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
)

// leastScripts are in testdata: what T.30 says of rates, repetitions, responses
// and timers, case by case.
const leastScripts = 180

// elsewhere are the endings that no script can bring about, for the exchange, the
// modem, the disk or a person does, with where they are brought about.
var elsewhere = map[status.Code]struct{ file, text string }{
	status.Busy:         {"modem/class1/script_test.go", "status.Busy"},
	status.NoAnswer:     {"modem/class1/script_test.go", "status.NoAnswer"},
	status.NoDialtone:   {"modem/class1/script_test.go", "status.NoDialtone"},
	status.UnknownNo:    {"modem/class1/script_test.go", "status.UnknownNo"},
	status.Blacklisted:  {"modem/class1/script_test.go", "status.Blacklisted"},
	status.Glare:        {"modem/class1/script_test.go", "status.Glare"},
	status.ModemFailure: {"modem/session_test.go", "status.ModemFailure"},
	status.Aborted:      {"modem/session_test.go", "status.Aborted"},
	status.BadDocument:  {"modem/session_test.go", "status.BadDocument"},
	status.NotStored:    {"modem/session_test.go", "status.NotStored"},
	status.NotRecorded:  {"modem/t30/table_test.go", "status.NotRecorded"},
	status.Unseen:       {"node/lines/spool.go", "status.Unseen"}, // no engine's: a node's that finds a call without its end
}

func TestOwnScripts(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	played, ends := 0, map[string]bool{}
	for _, lineName := range []string{"bare", "class1"} {
		for _, file := range files {
			t.Run(lineName+" "+strings.TrimSuffix(filepath.Base(file), ".xml"), func(t *testing.T) {
				var out, errs bytes.Buffer
				if _, err := run([]string{"-json", "-line", lineName, file}, inTest(t), &out, &errs); err != nil {
					t.Fatal(err)
				}
				for d := json.NewDecoder(&out); ; {
					var r result
					if d.Decode(&r); r.Name == "" { // the count ends them
						break
					}
					if !r.OK {
						t.Errorf("%s: %s\n%s", r.Name, r.Deviation, r.Transcript)
					}
					played++
					ends[r.Status] = true
				}
			})
		}
	}
	if played < 2*leastScripts {
		t.Errorf("%d calls have been played", played)
	}
	for _, c := range status.Codes() {
		place, told := elsewhere[c]
		switch {
		case !told && !ends[c.String()]:
			t.Errorf("no script ends %v", c)
		case told && ends[c.String()]:
			t.Errorf("a script ends %v, which was said to be of %s", c, place.file)
		case told:
			text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(place.file)))
			if err != nil || !strings.Contains(string(text), place.text) {
				t.Errorf("%v is not to be found in %s: %v", c, place.file, err)
			}
		}
	}
}

// What does not mean anything where it stands is told with its line, and fails
// the script that it is in alone.
func TestNotUnderstood(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"element":            {"<test name=\"X\">\n<wait/></test>", `line 2: element "wait" is unknown`},
		"misplaced element":  {"<test name=\"X\"><check/></test>", `line 1: element "check" stands in "test"`},
		"attribute":          {"<test name=\"X\">\n\n<step type=\"CALL\" speed=\"9\"/></test>", `line 3: attribute speed="9" means nothing in a step CALL`},
		"misplaced":          {`<test name="X"><step type="CALL" bad_rows="9"/></test>`, `attribute bad_rows="9" means nothing`},
		"type":               {`<test name="X"><step dir="R" type="WINK"/></test>`, `step type "R WINK" is unknown`},
		"check":              {`<test name="X"><step type="CALL"><check when="2 s"/></step></test>`, `attribute when="2 s" means nothing in a check`},
		"setting":            {`<test name="X"><step dir="T" type="SET" tag="CSA" value="1"/></test>`, `"CSA" is nothing to set`},
		"compression":        {`<test name="X"><step type="CALL"/><step dir="T" type="MSG" modem="V.29/9600" value="page.tif" compression="ZIP"/></test>`, `compression "ZIP" is unknown`},
		"two modems":         {`<test name="X"><step type="CALL"/><step dir="T" type="PREAMBLE" modem="V.29/9600"/><step dir="T" type="PP" modem="V.29/7200" value="page.tif"/></test>`, "in one signal"},
		"endless repetition": {`<test name="X"><step type="CALL"/><repeat min="0"><step type="WAIT" value="1"/></repeat></test>`, "needs a max"},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := readScripts(strings.NewReader("<fax-tests>" + c.script + `<test name="Y"/></fax-tests>`))
			if err != nil || len(all.tests) != 2 || all.tests[1].err != nil {
				t.Fatalf("%v, %+v", err, all)
			}
			b := bench{images: &images{dir: "testdata", read: map[string][]modem.Page{}}, connect: bare, limit: maxWall}
			if r := b.play(all.tests[0]); r.OK || !strings.Contains(r.Deviation, c.want) {
				t.Errorf("deviation %q, want %q", r.Deviation, c.want)
			}
		})
	}
}

// What scripts may say that the others do not.
func TestRareSteps(t *testing.T) {
	block := `<step type="WAIT" value="75"/><step dir="T" type="PREAMBLE" modem="V.27ter/4800"/>
		<step dir="T" type="HDLC" modem="V.27ter/4800" tag="FCD" value="FF C0 60 00 00 10 01"/>
		<step dir="T" type="HDLC" tag="RCP" value="FF C0 61"/><step dir="T" type="POSTAMBLE" modem="V.27ter/4800"/>`
	inECM := strings.Replace(trained, "FF C8 41 00 50 00", "FF C8 41 00 50 1F 20", 1)
	pps := strings.Replace(frameDCS, "FF C8 41 00 50 00", "FF C8 7D 74 00 00 00", 1)
	frames := `<step type="ANSWER" value="page.tif"/><step dir="T" type="CED" value="2600"/>` +
		strings.Replace(frameDCS, "FF C8 41 00 50 00", "FF C8 01 00 50 1F 20", 1) + `<step dir="R" type="HDLC" value="FF C8 C1 ..."/>
		<step dir="R" type="TCF" modem="V.27ter/4800"/>` + strings.Replace(frameDCS, "FF C8 41 00 50 00", "FF C8 21", 1) + `
		<step dir="R" type="HDLC" modem="V.27ter/4800" value="FF C0 60 00 ..."/>
		<step dir="R" type="HDLC" modem="V.27ter/4800" value="FF C0 60 %s ..."/><step dir="R" type="HDLC" value="FF C8 FD F4 ..."/>`
	for _, c := range []struct{ name, script, want string }{
		{"a frame or nothing", trained + `<step dir="R" type="HDLC" value="FF C8 58 | nothing" timeout="3450"/>`, ""},
		{"one frame or another", paged + `<step dir="R" type="HDLC" value="FF C8 32 | FF C8 31"/>`, ""},
		{"too early", paged + `<step dir="R" type="HDLC" value="FF C8 31" timein="900"/>`, "before 900ms"},
		{"repetitions of the tester", trained + `<repeat max="2">` + strings.Replace(frameDCS, "FF C8 41 00 50 00", "FF C8 58", 1) +
			`<step dir="R" type="HDLC" value="FF C8 21"/><step dir="R" type="SILENCE" timeout="100"/></repeat>`, ""},
		{"block said frame by frame", inECM + block + pps + `<step dir="R" type="HDLC" value="FF C8 5F"/>`, ""},
		{"block heard frame by frame", strings.Replace(frames, "%s", "80", 1), ""},
		{"frame that is not there", strings.Replace(frames, "%s", "FF", 1), "no such frame"},
		{"other image", sent + strings.Replace(frameDCS, "FF C8 41 00 50 00", "FF C8 21", 1) + `<step dir="R" type="MSG" modem="V.27ter/4800" value="other.tif"/>`, "is not the image that the script names"},
		{"TCF time", strings.Replace(sent, `TCF" modem="V.27ter/4800"/>`, `TCF" modem="V.27ter/4800"><check desc="TCF is 2s to 3s"/></step>`, 1), "TCF is 2s to 3s: it was 1.5s"},
		{"stored other than sent", strings.Replace(paged, `value="page.tif"/>`, `value="page.tif" compression="MR"/>`, 1) + confirmed, "it sent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, err := readScripts(strings.NewReader(`<fax-tests><test name="X">` + c.script + `</test></fax-tests>`))
			if err != nil {
				t.Fatal(err)
			}
			b := bench{images: &images{dir: "testdata", read: map[string][]modem.Page{}}, connect: bare, limit: maxWall}
			r := b.play(all.tests[0])
			if r.OK != (c.want == "") || !strings.Contains(r.Deviation, c.want) {
				t.Errorf("deviation %q, want %q\n%s", r.Deviation, c.want, r.Transcript)
			}
		})
	}
}
