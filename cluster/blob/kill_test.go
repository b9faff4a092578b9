package blob

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// victimDir, in the environment, makes this program one that stores documents
// until it is killed, and says which.
const victimDir = "FAXMESH_BLOB_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		if err := victim(dir); err != nil {
			fmt.Println("failed", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func victim(dir string) error {
	s, err := Open(Config{Dir: dir, Key: testKey, Seal: true, Logger: quiet})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		doc, err := s.Put(strings.NewReader(strings.Repeat(fmt.Sprint(os.Getpid(), i, " "), i*997%20_000)))
		if err != nil {
			return err
		}
		fmt.Println(doc.Hash)
	}
}

// A process that is killed again and again while it stores documents has lost
// none that it has acknowledged, and leaves no half ones.
func TestKill(t *testing.T) {
	const kills = 6
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for range kills {
		for _, hash := range killed(t, dir) {
			acknowledged[hash] = true
		}
		s := open(t, dir, true)
		for hash := range acknowledged {
			if err := s.Verify(hash, func(int) error { return nil }); err != nil {
				t.Fatalf("acknowledged before the kill: %v", err)
			}
		}
		for doc, err := range s.List() {
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(doc.Hash, func(int) error { return nil }); err != nil {
				t.Fatal(doc.Hash, err)
			}
		}
	}
	if len(acknowledged) < kills {
		t.Errorf("only %d documents were acknowledged in %d lives", len(acknowledged), kills)
	}
}

// killed lets a process store some documents, kills it at some moment and
// returns the hashes that it has acknowledged.
func killed(t *testing.T, dir string) (hashes []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), victimDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	life := 1 + rand.IntN(15)                                   // documents, and then
	moment := time.Duration(rand.IntN(3000)) * time.Microsecond // in the midst of one
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if CheckHash(lines.Text()) != nil {
			t.Errorf("the process says %q", lines.Text())
		}
		hashes = append(hashes, lines.Text())
		if len(hashes) == life {
			time.AfterFunc(moment, func() { cmd.Process.Kill() })
		}
	}
	if cmd.Wait() == nil {
		t.Error("the process has ended by itself")
	}
	return hashes
}
