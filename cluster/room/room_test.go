package room

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

const mib = 1 << 20

func TestLevel(t *testing.T) {
	quota := Limits{Quota: 1000}
	disk := Limits{MinFree: 100 * mib}
	for _, c := range []struct {
		limits Limits
		usage  Usage
		want   Level
	}{
		{quota, Usage{}, Ample},
		{quota, Usage{Used: 799}, Ample},
		{quota, Usage{Used: 800}, Tight},
		{quota, Usage{Used: 899}, Tight},
		{quota, Usage{Used: 900}, Scarce},
		{quota, Usage{Used: 999}, Scarce},
		{quota, Usage{Used: 1000}, Full},
		{quota, Usage{Used: 1 << 62}, Full},
		{Limits{}, Usage{Used: 1 << 62}, Ample},
		{disk, Usage{}, Ample}, // the disk cannot be asked
		{disk, Usage{Free: 400 * mib, Total: 100_000 * mib}, Ample},
		{disk, Usage{Free: 400*mib - 1, Total: 100_000 * mib}, Tight},
		{disk, Usage{Free: 200*mib - 1, Total: 100_000 * mib}, Scarce},
		{disk, Usage{Free: 100 * mib, Total: 100_000 * mib}, Scarce},
		{disk, Usage{Free: 100*mib - 1, Total: 100_000 * mib}, Full},
		{disk, Usage{Free: -5, Total: 100_000 * mib}, Full},
		{disk, Usage{Free: 5 * mib, Total: 100 * mib}, Scarce}, // a small disk
		{disk, Usage{Free: 5*mib - 1, Total: 100 * mib}, Full},
		{Limits{Quota: 1000, MinFree: 100 * mib}, Usage{Used: 900, Free: 300 * mib, Total: 100_000 * mib}, Scarce},
	} {
		if got := c.limits.Level(c.usage); got != c.want {
			t.Errorf("%+v of %+v is %v, want %v", c.usage, c.limits, got, c.want)
		}
	}
}

// The level rises at once and falls late: wavering about a mark is one
// crossing.
func TestNext(t *testing.T) {
	l, level := Limits{Quota: 1000}, Ample
	for _, c := range []struct {
		used int64
		want Level
	}{{790, Ample}, {800, Tight}, {799, Tight}, {800, Tight}, {781, Tight}, {779, Ample}, {1000, Full}, {990, Full}, {979, Scarce}, {890, Scarce}, {500, Ample}} {
		if level = l.Next(level, Usage{Used: c.used}); level != c.want {
			t.Errorf("at %d: %v, want %v", c.used, level, c.want)
		}
	}
}

func TestCrossingsAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []string
		free := uint64(1000 * mib)
		r := Open(Config{Node: "north", Logger: slog.New(slog.DiscardHandler), Used: func() int64 { return 0 },
			Limits: Limits{MinFree: 100 * mib},
			Crossed: func(from, to Level, u Usage) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, fmt.Sprint(from, " ", to, " ", u.Free/mib))
			},
			free: func(string) (uint64, uint64, error) {
				mu.Lock()
				defer mu.Unlock()
				return free, 100_000 * mib, nil
			}})
		set := func(octets uint64) {
			mu.Lock()
			free = octets
			mu.Unlock()
			time.Sleep(5 * watchEvery)
		}
		set(300 * mib)
		set(399 * mib)
		if err := r.Admit(100 * mib); err != nil {
			t.Error(err)
		}
		if err := r.Admit(300 * mib); fax.KindOf(err) != fax.Full {
			t.Error("no room for so much", err)
		}
		set(50 * mib)
		if err := r.Admit(0); fax.KindOf(err) != fax.Full {
			t.Error(err)
		}
		set(1000 * mib)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if want := []string{"ample tight 300", "tight full 50", "full ample 1000"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

func TestFree(t *testing.T) {
	free, total, err := Free(t.TempDir())
	if errors.Is(err, errors.ErrUnsupported) {
		return // and nobody counts on it
	}
	if err != nil || total == 0 || free > total {
		t.Errorf("%d of %d octets free, %v", free, total, err)
	}
	if _, _, err := Free("/no/such/directory"); err == nil {
		t.Error("a directory that is not there has room")
	}
}

func TestIsFull(t *testing.T) {
	full := fmt.Errorf("write: %w", &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC})
	if _, _, err := Free("."); err == nil && os.PathSeparator == '/' && !IsFull(full) {
		t.Error("a full disk is not known as one")
	}
	if IsFull(syscall.EIO) || IsFull(nil) {
		t.Error("every error is a full disk")
	}
}

// What a full disk refuses is told with what to do; other errors stay.
func TestExplain(t *testing.T) {
	full := &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	if err := Explain("north", fmt.Errorf("store: %w", full)); fax.KindOf(err) != fax.Full || !strings.Contains(err.Error(), "log in at another node") || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v", err)
	}
	for _, err := range []error{nil, io.EOF} {
		if got := Explain("north", err); got != err {
			t.Errorf("%v became %v", err, got)
		}
	}
}

func TestPart(t *testing.T) {
	for _, c := range []struct {
		limits Limits
		usage  Usage
		want   int
	}{
		{Limits{}, Usage{Free: 25, Total: 100}, 75},
		{Limits{}, Usage{}, 0},
		{Limits{Quota: 50}, Usage{Used: 45, Free: 90, Total: 100}, 90},
		{Limits{Quota: 50}, Usage{Used: 80}, 100},
		{Limits{}, Usage{Free: 200, Total: 100}, 0},
	} {
		if got := c.limits.Part(c.usage); got != c.want {
			t.Errorf("%+v of %+v: %d, want %d", c.usage, c.limits, got, c.want)
		}
	}
}
