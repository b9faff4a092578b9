package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func parse(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse("TEST.DAT", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParseReadsWhatIsWritten(t *testing.T) {
	f := parse(t, "\ufeff; head\r\n[Network]\r\nServerTcpPort=7488\r\n\r\n  ; indented comment\r\n[LINE1]\nDEVICE=C:\\FAX\\\nINIT=&F;\"a#b\" %(x)s=1\nNUMBER=")
	want := []Entry{
		{"NETWORK", "SERVERTCPPORT", "7488", 3},
		{"LINE1", "DEVICE", `C:\FAX\`, 7},
		{"LINE1", "INIT", `&F;"a#b" %(x)s=1`, 8},
		{"LINE1", "NUMBER", "", 9},
	}
	got := f.Entries()
	if len(got) != len(want) {
		t.Fatalf("entries %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("entry %d is %v, want %v", i, got[i], want[i])
		}
	}
	if e, ok := f.Get("network", "servertcpport"); !ok || e.Value != "7488" {
		t.Errorf("Get does not fold case: %v %v", e, ok)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"space before =":    {"[A]\nKEY =1\n", "TEST.DAT:2: \"KEY =1\" has spaces around the ="},
		"space after =":     {"[A]\nKEY= 1\n", "TEST.DAT:2: "},
		"space at the end":  {"[A]\nKEY=1 \n", "TEST.DAT:2: "},
		"indented key":      {"[A]\n KEY=1\n", "TEST.DAT:2: "},
		"no =":              {"[A]\n\nKEY\n", "TEST.DAT:3: \"KEY\" is neither"},
		"no key":            {"[A]\n=1\n", "TEST.DAT:2: a key name has 1 to 64"},
		"odd key":           {"[A]\nKÜY=1\n", "has the character 'Ü'"},
		"no section":        {"KEY=1\n", "TEST.DAT:1: \"KEY=1\" comes before"},
		"open section":      {"[A\n", "TEST.DAT:1: \"[A\" is not a section"},
		"text after ]":      {"[A] x\n", "is not a section"},
		"empty section":     {"[]\n", "a section name has 1 to 64"},
		"key twice":         {"[A]\nKEY=1\nkey=2\n", "TEST.DAT:3: KEY is here twice in [A]; it was set on line 2"},
		"section twice":     {"[A]\n[B]\n[a]\nKEY=1\n", "TEST.DAT:3: the section [A] is here twice; it began on line 1"},
		"Windows-1252":      {"[A]\nKEY=M\xfcnchen\n", "TEST.DAT:2: the line is not UTF-8"},
		"UTF-16":            {"\xff\xfe[\x00A\x00]\x00", "TEST.DAT:1: the line is not UTF-8"},
		"NUL":               {"[A]\nKEY=\x00\n", "control character"},
		"lone CR":           {"[A]\rKEY=1\r", "control character"},
		"long line":         {"[A]\nKEY=" + strings.Repeat("x", MaxLine) + "\n", "at most 4096 are allowed"},
		"long file":         {strings.Repeat(";\n", MaxFile), "at most 1048576 are allowed"},
		"comment in a tail": {"[A]; why\n", "is not a section"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Parse("TEST.DAT", []byte(c.text))
			if err == nil {
				t.Fatalf("accepted as %v", f.Entries())
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("says %q, want %q in it", err, c.want)
			}
		})
	}
}

func TestParseListsEveryFaultUpToTheLimit(t *testing.T) {
	_, err := Parse("TEST.DAT", []byte("[A]\nx\nGOOD=1\ny\n"))
	if err == nil || len(strings.Split(err.Error(), "\n")) != 2 || !strings.Contains(err.Error(), "TEST.DAT:4: ") {
		t.Errorf("two bad lines give %v", err)
	}
	_, err = Parse("TEST.DAT", []byte(strings.Repeat("x\n", 1000)))
	if got := len(strings.Split(err.Error(), "\n")); got != MaxFault {
		t.Errorf("%d faults listed, want %d", got, MaxFault)
	}
}

func TestSetChangesOneLine(t *testing.T) {
	for name, c := range map[string]struct{ before, section, key, value, after string }{
		"change":                         {"; c\r\n[A]\r\nKey=1\r\n; d\r\n", "a", "KEY", "2", "; c\r\n[A]\r\nKey=2\r\n; d\r\n"},
		"change a last line without end": {"[A]\nKEY=1", "A", "KEY", "2", "[A]\nKEY=2"},
		"add to a section":               {"[A]\nX=1\n\n; about B\n[B]\nY=1\n", "A", "Z", "3", "[A]\nX=1\nZ=3\n\n; about B\n[B]\nY=1\n"},
		"add to an empty section":        {"[A]\r\n[B]\r\n", "A", "Z", "3", "[A]\r\nZ=3\r\n[B]\r\n"},
		"add to the last section":        {"[A]\nX=1", "A", "Z", "3", "[A]\nX=1\nZ=3\n"},
		"add a section":                  {"[A]\r\nX=1", "B", "Z", "3", "[A]\r\nX=1\r\n\r\n[B]\r\nZ=3\r\n"},
		"add to nothing":                 {"", "B", "Z", "", "[B]\nZ=\n"},
		"keep the byte order mark":       {"\ufeff[A]\n", "A", "Z", "ü", "\ufeff[A]\nZ=ü\n"},
	} {
		t.Run(name, func(t *testing.T) {
			f := parse(t, c.before)
			if err := f.Set(c.section, c.key, c.value); err != nil {
				t.Fatal(err)
			}
			if got := string(f.Bytes()); got != c.after {
				t.Errorf("file is\n%q, want\n%q", got, c.after)
			}
			again := parse(t, string(f.Bytes()))
			for i, e := range again.Entries() {
				if f.Entries()[i] != e {
					t.Errorf("read again, entry %d is %v, was %v", i, e, f.Entries()[i])
				}
			}
		})
	}
}

func TestSetRefusesWhatItCouldNotRead(t *testing.T) {
	f := parse(t, "[A]\nX=1\n")
	for _, c := range [][3]string{{"A", "X", "a\nB=1"}, {"A", "X", " 1"}, {"A", "X=", "1"}, {"A]", "X", "1"}, {"A", "X", "\xff"}, {"A", "", "1"}, {"A", "X", strings.Repeat("x", MaxLine)}} {
		if err := f.Set(c[0], c[1], c[2]); err == nil {
			t.Errorf("Set(%q) is accepted", c)
		}
	}
	if got := string(f.Bytes()); got != "[A]\nX=1\n" {
		t.Errorf("a refused Set has changed the file to %q", got)
	}
}

func TestUnset(t *testing.T) {
	f := parse(t, "[A]\nX=1\nY=2\n")
	if !f.Unset("a", "x") || f.Unset("a", "x") {
		t.Error("Unset does not say what it found")
	}
	if e, _ := f.Get("A", "Y"); e.Line != 2 || string(f.Bytes()) != "[A]\nY=2\n" {
		t.Errorf("left with %q, Y on line %d", f.Bytes(), e.Line)
	}
}

func TestMergeKeepsWhatIsThere(t *testing.T) {
	own := parse(t, "; mine\n[SYSTEM]\nLOWTCPDYNAMICPORT=3000\n")
	shipped := parse(t, "[SYSTEM]\nLOWTCPDYNAMICPORT=2000\nHIGHTCPDYNAMICPORT=4000\n[NETWORK]\nCLIENTTCPSERVERPORT=7485\n")
	taken, err := own.Merge(shipped)
	if err != nil || len(taken) != 2 {
		t.Fatalf("took %v, %v", taken, err)
	}
	want := "; mine\n[SYSTEM]\nLOWTCPDYNAMICPORT=3000\nHIGHTCPDYNAMICPORT=4000\n\n[NETWORK]\nCLIENTTCPSERVERPORT=7485\n"
	if got := string(own.Bytes()); got != want {
		t.Errorf("merged to %q", got)
	}
	if taken, _ := own.Merge(shipped); len(taken) != 0 {
		t.Errorf("merging again takes %v", taken)
	}
}

func TestWriteFileReplacesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "X.DAT")
	f := parse(t, "[A]\nX=1\n")
	if err := f.WriteFile(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := f.Set("A", "X", "2"); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteFile(path, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if e, _ := got.Get("A", "X"); e.Value != "2" {
		t.Errorf("read back %q", got.Bytes())
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v; an old file keeps its own", info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind %v, %v", left, err)
	}
	if err := f.WriteFile(filepath.Join(path, "not-a-directory"), 0o600); err == nil {
		t.Error("writing below a file is accepted")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(ShippedText))
	f.Add([]byte("\ufeff[A]\r\nX=1\r\n\r\n;\n[LINE12]\nDEVICE=/dev/ttyS0"))
	f.Add([]byte("[A]\nX=1\n[A]\nX\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("FUZZ.DAT", data)
		if err != nil {
			return
		}
		if got := file.Bytes(); string(got) != string(data) {
			t.Fatalf("read %q, written %q", data, got)
		}
		for _, e := range file.Entries() {
			if err := file.Set(e.Section, e.Key, e.Value); err != nil {
				t.Fatalf("cannot set what was read: %v", err)
			}
		}
		if got := file.Bytes(); string(got) != string(data) {
			t.Fatalf("setting what is set changes %q to %q", data, got)
		}
		for _, schema := range []*Schema{ServerSchema, ClientSchema} {
			if values, _, err := schema.Resolve(file.Layer()); err == nil {
				values.All()
				if schema == ServerSchema {
					values.Server()
				} else {
					values.Client()
				}
			}
		}
		if err := file.Set("NEW", "KEY", "value"); err != nil {
			t.Fatal(err)
		}
		again, err := Parse("FUZZ.DAT", file.Bytes())
		if err != nil && len(file.Bytes()) <= MaxFile {
			t.Fatalf("cannot read what was written: %v", err)
		}
		if e, ok := again.Get("NEW", "KEY"); !ok || e.Value != "value" {
			t.Fatalf("a new entry is read back as %v", e)
		}
	})
}
