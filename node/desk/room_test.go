package desk

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// A full disk refuses a document at its beginning, or when one of unknown length
// has grown too large; what it has taken stays.
func TestUploadsNeedRoom(t *testing.T) {
	u, err := openUploads(t.TempDir(), "north")
	if err != nil {
		t.Fatal(err)
	}
	defer u.close()
	full := fax.Errorf(fax.Full, "the disk is full")
	u.admit = func(octets int64) error {
		if octets > storedTimes*100 {
			return full
		}
		return nil
	}
	up, err := u.begin("session", -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := up.Write(make([]byte, 100)); err != nil {
		t.Error(err)
	}
	if _, err := up.Write([]byte{1}); fax.KindOf(err) != fax.Full {
		t.Errorf("over the room: %v", err)
	}
}

// A disk that becomes full while a document is handed in or converted is told as
// that, with what to do; the document can be tried again.
func TestFullDiskIsTold(t *testing.T) {
	d, _ := setUp(t)
	s := login(t, d, "clerk")
	convert := d.cfg.Convert
	d.cfg.Convert = func(context.Context, io.ReaderAt, int64, string, io.Writer) (int, error) {
		return 0, fmt.Errorf("write a page: %w", &fs.PathError{Op: "write", Path: "converted", Err: syscall.ENOSPC})
	}
	o := fax.Order{ID: "full", Upload: upload(t, d, s, "PAGE full"), Number: "123"}
	if _, err := d.Submit(t.Context(), s, o); fax.KindOf(err) != fax.Full || !strings.Contains(err.Error(), "log in at another node") {
		t.Errorf("converting: %v", err)
	}
	d.cfg.Convert = convert
	if _, err := d.Submit(t.Context(), s, o); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
	up, err := d.uploads.begin(s.ID, -1)
	if err != nil {
		t.Fatal(err)
	}
	full := filepath.Join(t.TempDir(), "upload") // a name of its own: the desk removes it
	if err := os.Symlink("/dev/full", full); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(full, os.O_WRONLY, 0)
	if err != nil {
		return // this system has no file that is always full
	}
	up.spool.file = file
	if _, err := up.Write([]byte("x")); fax.KindOf(err) != fax.Full {
		t.Errorf("handing in: %v", err)
	}
}

// A clerk is told in words that the disk is full.
func TestFullDiskRefusesUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := setUp(t)
		s := login(t, d, "clerk")
		d.AdmitBy(func(octets int64) error {
			if octets >= 3000 {
				return fax.Errorf(fax.Full, "the disk is full")
			}
			return nil
		})
		if _, err := d.BeginUpload(t.Context(), s, 1000); fax.KindOf(err) != fax.Full {
			t.Errorf("the disk is full: %v", err)
		}
		for _, size := range []int64{-1, 10} {
			up, err := d.BeginUpload(t.Context(), s, size)
			if err != nil {
				t.Fatalf("room for %d octets: %v", size, err)
			}
			up.Abort()
		}
	})
}
