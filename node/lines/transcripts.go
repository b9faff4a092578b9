package lines

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/faxmesh/faxmesh/cluster/durable"
)

// transcripts keeps the dialogues of the last calls as ID.txt. They are for
// people who look for a fault: losing one harms nothing.
type transcripts struct {
	dir string

	mu    sync.Mutex
	names []string // files, oldest first
}

func openTranscripts(dir string) (*transcripts, error) {
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	t := &transcripts{dir: dir}
	ages := make(map[string]int64)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasSuffix(e.Name(), ".txt") {
			continue
		}
		ages[e.Name()] = info.ModTime().UnixNano()
		t.names = append(t.names, e.Name())
	}
	slices.SortFunc(t.names, func(a, b string) int {
		return cmp.Or(cmp.Compare(ages[a], ages[b]), strings.Compare(a, b))
	})
	return t, nil
}

func (t *transcripts) write(id, text string, log *slog.Logger) {
	name, err := transcriptName(id)
	if text == "" || err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(text) > MaxTranscript {
		text = text[:MaxTranscript]
	}
	if err := os.WriteFile(filepath.Join(t.dir, name), []byte(text), 0o600); err != nil {
		log.Warn("the transcript of the call could not be kept", "call", id, "err", err)
		return
	}
	t.names = append(slices.DeleteFunc(t.names, func(n string) bool { return n == name }), name)
	for len(t.names) > MaxTranscripts {
		os.Remove(filepath.Join(t.dir, t.names[0])) // one too many is removed at the next call
		t.names = t.names[1:]
	}
}

func (t *transcripts) read(id string) (string, bool) {
	name, err := transcriptName(id)
	if err != nil {
		return "", false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	data, err := os.ReadFile(filepath.Join(t.dir, name))
	return string(data), err == nil
}

// transcriptName refuses ids that would leave the directory: a job's id is
// chosen by a client.
func transcriptName(id string) (string, error) {
	if id == "" || len(id) > 64 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		return "", fmt.Errorf("%q is not an id", id)
	}
	return id + ".txt", nil
}
