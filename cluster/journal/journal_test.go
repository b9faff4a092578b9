package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func open(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := Open(path, discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func check(t *testing.T, j *Journal, want ...string) {
	t.Helper()
	got, err := j.Records()
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Fatalf("records %q, want %q", got, want)
	}
}

func TestAppendSurvivesReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := open(t, path)
	for _, r := range []string{"one", "two"} {
		if err := j.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(j.Close(), j.Close()); err != nil {
		t.Fatal(err)
	}
	if err := j.Append([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	j = open(t, path)
	if err := j.Append([]byte("three")); err != nil {
		t.Fatal(err)
	}
	check(t, j, "one", "two", "three")
}

// Cut at every octet, the journal opens with the records that were whole, and
// goes on.
func TestTornAtEveryOctet(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal")
	j := open(t, path)
	var ends []int
	for _, r := range []string{"a", "bb", "ccc"} {
		if err := j.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, int(j.Size()))
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"a", "bb", "ccc"}
	for cut := len(header); cut <= len(whole); cut++ {
		torn := filepath.Join(dir, fmt.Sprint("cut", cut))
		if err := os.WriteFile(torn, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		n := 0
		for n < len(ends) && ends[n] <= cut {
			n++
		}
		var log bytes.Buffer
		k, err := Open(torn, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		check(t, k, all[:n]...)
		atBorder := cut == len(header) || n > 0 && ends[n-1] == cut
		if logged := strings.Contains(log.String(), "torn"); logged == atBorder {
			t.Errorf("cut at %d: logged %v", cut, logged)
		}
		if err := k.Append([]byte("next")); err != nil {
			t.Fatal(err)
		}
		check(t, k, append(append([]string{}, all[:n]...), "next")...)
		k.Close()
	}
}

// A flipped bit is found, whichever it is.
func TestFlippedBits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := open(t, path)
	if err := errors.Join(j.Append([]byte("first")), j.Append([]byte("second")), j.Close()); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for bit := len(header) * 8; bit < len(whole)*8; bit++ {
		bad := bytes.Clone(whole)
		bad[bit/8] ^= 1 << (bit % 8)
		records, good, err := parse(bad)
		if err != nil {
			t.Fatal(err)
		}
		if good == len(bad) {
			t.Fatalf("bit %d flipped and all %d records pass", bit, len(records))
		}
	}
}

func TestCompact(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := open(t, path)
	for i := range 10 {
		if err := j.Append(fmt.Appendf(nil, "r%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Compact(func(r []byte) bool { return r[1]%4 == 0 }); err != nil {
		t.Fatal(err)
	}
	if err := j.Append([]byte("after")); err != nil {
		t.Fatal(err)
	}
	check(t, j, "r0", "r4", "r8", "after")
	j.Close()
	check(t, open(t, path), "r0", "r4", "r8", "after")
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	j := open(t, filepath.Join(dir, "journal"))
	if err := j.Append(make([]byte, MaxRecord+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if err := j.Append(nil); err == nil {
		t.Error("an empty record was taken")
	}
	record := make([]byte, MaxRecord)
	if err := j.Append(record); err != nil {
		t.Errorf("largest record: %v", err)
	}
	j.size = MaxFile - MaxRecord // as if it were nearly full
	if err := j.Append(record); !errors.Is(err, ErrFull) {
		t.Errorf("full: %v", err)
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("[NETWORK]\r\nSERVERTCPPORT=7488"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(other, discard()); err == nil {
		t.Error("a settings file was taken for a journal")
	}
	if got, _ := os.ReadFile(other); len(got) != 29 {
		t.Errorf("the other file was changed: %q", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(header))
	f.Add(frame(frame([]byte(header), []byte("one")), []byte("two")))
	f.Add(append([]byte(header), 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		records, good, err := parse(data)
		if err != nil {
			return
		}
		again := []byte(header)
		for _, r := range records {
			again = frame(again, r)
		}
		if good > len(data) || !bytes.Equal(again, data[:good]) {
			t.Fatalf("%d records do not make the %d octets they came from", len(records), good)
		}
	})
}
