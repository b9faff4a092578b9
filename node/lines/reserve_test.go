package lines

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/durable"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t4"
)

// fullDisk is a disk on which only some more files have room.
type fullDisk struct {
	mu    sync.Mutex
	room  int
	tries int
}

func (d *fullDisk) write(path string, data []byte, mode fs.FileMode) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tries++; d.room == 0 {
		return &fs.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}
	}
	d.room--
	return durable.WriteFile(path, data, mode)
}

func (d *fullDisk) make(room int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = room
}

// A page for which the disk has no room takes that of the reserve.
func TestReserveIsForPages(t *testing.T) {
	s, err := openSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.reserve.hold(); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(s.reserve.path); err != nil || info.Size() != reserveSize {
		t.Fatalf("the reserve: %v, %v", info, err)
	}
	s.write = func(path string, data []byte, mode fs.FileMode) error {
		if _, err := os.Stat(s.reserve.path); err == nil {
			return &fs.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}
		}
		return durable.WriteFile(path, data, mode)
	}
	in := s.intake(fax.ReceivedFax{ID: "aa", Node: "west", Line: "w1"})
	if err := in.store(t.Context(), modem.ReceivedPage{Image: page(5), Resolution: t4.Standard}); err != nil {
		t.Fatal(err)
	}
	if n, err := in.end(modem.Report{Status: status.OK}); n != 1 || err != nil {
		t.Error(n, err)
	}
	if _, pages, err := s.load("aa"); err != nil || pages.Len() != 1 {
		t.Error(err)
	}
	if err := s.reserve.hold(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.reserve.path); err != nil {
		t.Error("the reserve is not made anew:", err)
	}
}

// The sender is held off while the disk is full, and the page is confirmed when
// it has room again; if it gets none, or the call ends, the page is refused, and
// a restart finds nothing that was confirmed missing.
func TestPageWaitsForRoom(t *testing.T) {
	for name, c := range map[string]struct {
		roomAfter, hangup time.Duration
		stored            bool
	}{
		"room in time":     {20 * time.Second, time.Hour, true},
		"room too late":    {time.Hour, time.Hour, false},
		"the sender is up": {20 * time.Second, 5 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				s, err := openSpool(dir)
				if err != nil {
					t.Fatal(err)
				}
				disk := &fullDisk{room: 2} // the record and a page
				s.write = disk.write
				in := s.intake(fax.ReceivedFax{ID: "aa", Node: "west", Line: "w1"})
				if err := in.store(t.Context(), modem.ReceivedPage{Image: page(1), Resolution: t4.Standard}); err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(c.roomAfter, func() { disk.make(100) })
				call, hangup := context.WithTimeout(t.Context(), c.hangup)
				defer hangup()
				begun := time.Now()
				err = in.store(call, modem.ReceivedPage{Image: page(2), Resolution: t4.Standard, Index: 1})
				if (err == nil) != c.stored || (!c.stored && !errors.Is(err, syscall.ENOSPC)) {
					t.Errorf("%v after %v", err, time.Since(begun))
				}
				if waited := time.Since(begun); waited > fullMost {
					t.Errorf("the sender waited for %v", waited)
				}
				if disk.tries > 2+2*int(fullMost/fullRetry)+2 {
					t.Errorf("%d tries", disk.tries)
				}
			})
			s, err := openSpool(dir)
			if err != nil {
				t.Fatal(err)
			}
			want := 1
			if c.stored {
				want = 2
			}
			if _, pages, err := s.load("aa"); err != nil || pages.Len() != want {
				t.Errorf("after the restart %v, want %d pages", err, want)
			}
		})
	}
}

// A call is not answered when the disk has not even room for the reserve, and
// the next one is when it has.
func TestNoAnswerWithoutReserve(t *testing.T) {
	dir, m, d := t.TempDir(), newFake(), newDelivered()
	m.receive = takes(status.OK, page(1))
	s, err := Open(config(dir, m, d, &states{}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	inTheWay := filepath.Join(dir, "spool"+reserveSuffix)
	if err := os.Mkdir(inTheWay, 0o700); err != nil { // as good as no room
		t.Fatal(err)
	}
	for _, caller := range []string{"not answered", "nor this", "777"} {
		m.rings <- modem.Ring{Caller: caller} // taken when the one before is over
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	m.rings <- modem.Ring{Caller: "777"}
	if f := <-d.faxes; f.Caller != "777" {
		t.Errorf("answered a call of %q", f.Caller)
	}
	<-d.pages
}
