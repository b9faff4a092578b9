package desk

import (
	"testing"
	"testing/synctest"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// A full disk refuses a document at its beginning, or when one of unknown length
// has grown too large; what it has taken stays.
func TestUploadsNeedRoom(t *testing.T) {
	u, err := openUploads(t.TempDir())
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
