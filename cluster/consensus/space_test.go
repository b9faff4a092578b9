package consensus

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestLowSpace(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		free, total uint64
		low         bool
	}{
		{0, 0, false}, // unknown
		{0, gib, true},
		{gib/20 - 1, gib, true},
		{gib / 20, gib, false},
		{4*gib - 1, 100 * gib, true},
		{4 * gib, 1000 * gib, false},
		{gib, 10 * gib, false},
	} {
		if got := lowSpace(c.free, c.total); got != c.low {
			t.Errorf("%d of %d octets free: low %v", c.free, c.total, got)
		}
	}
}

// A filling disk is told of once, and again when it fills again.
func TestFillingDiskIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		free := uint64(lowSpaceSize)
		set := func(octets uint64) {
			mu.Lock()
			free = octets
			mu.Unlock()
			time.Sleep(10 * spaceEvery)
		}
		var told bytes.Buffer
		s := start(t, newNetwork(), "north", t.TempDir(), func(cfg *Config) {
			cfg.Logger = slog.New(slog.NewTextHandler(&told, nil))
			cfg.space = func(string) (uint64, uint64, error) {
				mu.Lock()
				defer mu.Unlock()
				return free, 100 << 30, nil
			}
		})
		for range 2 {
			set(1 << 30)
			set(50 << 30)
		}
		s.stop(t)
		if full, room := strings.Count(told.String(), "nearly full"), strings.Count(told.String(), "room again"); full != 2 || room != 2 {
			t.Errorf("told %d times that the disk is full, %d times that it is not:\n%s", full, room, &told)
		}
		time.Sleep(time.Minute)
	})
}
