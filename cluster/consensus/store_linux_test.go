package consensus

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Opening a log must not take as much memory as it is long.
func TestOpenedLogIsNotInMemory(t *testing.T) {
	const entries = 1024
	path := filepath.Join(t.TempDir(), "raft.db")
	s := reopen(t, nil, path)
	storeLong(t, s, 1, entries)
	s = reopen(t, s, path)
	defer s.Close()
	if last, err := s.LastIndex(); err != nil || last != entries {
		t.Fatalf("it ends at %d: %v", last, err)
	}
	if got, most := mappedKiB(t, path), entries*longEntry>>10/8; got > most {
		t.Errorf("%d KiB of the log are in memory, want at most %d", got, most)
	}
}

// mappedKiB is how much of a file this process has mapped and touched (proc(5)).
func mappedKiB(t *testing.T, path string) (kib int) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	resident := regexp.MustCompile(`^Rss:\s+(\d+) kB`)
	maps, of := 0, false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if field, _, _ := strings.Cut(lines.Text(), " "); strings.Contains(field, "-") {
			if of = strings.HasSuffix(lines.Text(), " "+path); of {
				maps++
			}
		} else if found := resident.FindStringSubmatch(lines.Text()); of && found != nil {
			n, err := strconv.Atoi(found[1])
			if err != nil {
				t.Fatal(err)
			}
			kib += n
		}
	}
	if maps == 0 {
		t.Fatalf("%s is not mapped", path)
	}
	return kib
}
