package desk

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

func TestUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := setUp(t)
		s := login(t, d, "clerk")
		for size, kind := range map[int64]fax.Kind{0: fax.Invalid, -2: fax.Invalid, MaxDocument + 1: fax.TooLarge, 1 << 30: fax.TooLarge} {
			_, err := d.BeginUpload(t.Context(), s, size)
			wants(t, fmt.Sprint(size, " octets"), err, kind)
		}
		up, err := d.BeginUpload(t.Context(), s, 4)
		if err != nil {
			t.Fatal(err)
		}
		_, err = up.Write([]byte("12345"))
		wants(t, "more than announced", err, fax.Invalid)
		if _, err := up.Write([]byte("123")); err != nil {
			t.Fatal(err)
		}
		wants(t, "less than announced", up.Commit(t.Context(), ""), fax.Invalid)
		if _, err := up.Write([]byte("4")); err != nil {
			t.Fatal(err)
		}
		wants(t, "another hash", up.Commit(t.Context(), strings.Repeat("0", 64)), fax.Invalid)
		up.Abort()
		up.Abort()
		_, err = up.Write([]byte("1"))
		wants(t, "after Abort", err, fax.Invalid)

		up, err = d.BeginUpload(t.Context(), s, -1)
		if err != nil {
			t.Fatal(err)
		}
		wants(t, "nothing written", up.Commit(t.Context(), ""), fax.Invalid)
		for i := 1; ; i++ {
			if _, err = d.BeginUpload(t.Context(), s, 1); err != nil {
				if i != MaxUploadsSession {
					t.Errorf("%d uploads were allowed, want %d", i, MaxUploadsSession)
				}
				break
			}
		}
		wants(t, "too many", err, fax.Busy)
		_, err = d.Submit(t.Context(), s, fax.Order{ID: "j", Upload: up.ID(), Number: "1"})
		wants(t, "an order for an upload that is not finished", err, fax.NotFound)
		if err := d.Logout(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if left, _ := filepath.Glob(filepath.Join(d.uploads.dir, "*")); len(left) != 0 || d.uploads.octets != 0 {
			t.Errorf("after logout %v and %d octets are left", left, d.uploads.octets)
		}
	})
}

func TestSubmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := setUp(t)
		s := login(t, d, "clerk")
		j := submit(t, d, s, "order-1")
		if j.Owner != "Clerk" || j.State != fax.Queued || j.Home != "north" || j.Fax.Pages != 1 || !w.blobs.Has(j.Fax.Hash) || !w.blobs.Has(j.Source.Hash) {
			t.Errorf("job = %+v", j)
		}
		again, err := d.Submit(t.Context(), s, fax.Order{ID: "order-1", Upload: "gone", Number: "123"})
		if err != nil || again.Submitted != j.Submitted {
			t.Errorf("the same order again: %+v, %v", again, err)
		}
		other := login(t, d, "other")
		_, err = d.Submit(t.Context(), other, fax.Order{ID: "order-1", Upload: upload(t, d, other, "PAGE"), Number: "123"})
		wants(t, "an id that another has taken", err, fax.Exists)
		id := upload(t, d, s, "PAGE x")
		_, err = d.Submit(t.Context(), other, fax.Order{ID: "order-2", Upload: id, Number: "1"})
		wants(t, "another's upload", err, fax.NotFound)
		_, err = d.Submit(t.Context(), s, fax.Order{ID: "order-2", Upload: id, Number: "one"})
		wants(t, "no number", err, fax.Invalid)
		_, err = d.Submit(t.Context(), s, fax.Order{ID: "../x", Upload: id, Number: "1"})
		wants(t, "odd id", err, fax.Invalid)
		_, err = d.Submit(t.Context(), s, fax.Order{ID: "order-2", Upload: upload(t, d, s, "%PDF"), Number: "1"})
		wants(t, "a format that is not accepted", err, fax.Unsupported)
		if w.blobs.Has(fmt.Sprintf("%x", sha256.Sum256([]byte("%PDF")))) {
			t.Error("the document that was refused is in the store for ever")
		}
		d.uploads.finish(id)
		for i := range 2 * MaxUploadsSession { // ordered ones do not count
			submit(t, d, s, fmt.Sprint("one-of-many-", i))
		}
		if left, _ := os.ReadDir(d.uploads.dir); len(d.uploads.all) != 1 || len(left) != 0 { // that of order-1 by another, in memory
			t.Errorf("%d uploads and %d files stay", len(d.uploads.all), len(left))
		}
		id = upload(t, d, s, "PAGE x")
		w.cut(true)
		_, err = d.Submit(t.Context(), s, fax.Order{ID: "order-2", Upload: id, Number: "1"})
		wants(t, "no majority", err, fax.Unavailable)
	})
}

// TestOthersFaxes: what one may not see is as if it were not there.
func TestOthersFaxes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := setUp(t)
		clerk, other, reader, admin := login(t, d, "clerk"), login(t, d, "other"), login(t, d, "reader"), login(t, d, "admin")
		job := submit(t, d, clerk, "abcd1")
		tiff, err := w.blobs.Put(strings.NewReader("TIFF received"))
		if err != nil {
			t.Fatal(err)
		}
		tiff.Pages = 1
		w.must(ledger.Receive{Fax: fax.ReceivedFax{ID: "rrrr1", Node: "west", Fax: tiff, Assigned: []string{"clerk"}, At: now()}})
		w.must(ledger.Receive{Fax: fax.ReceivedFax{ID: "rrrr2", Node: "west", Fax: tiff, At: now()}})

		sees := func(s fax.Session, id string) error {
			doc, r, err := d.OpenFax(t.Context(), s, id)
			if err != nil {
				return err
			}
			defer r.Close()
			data, err := io.ReadAll(r)
			if err != nil || int64(len(data)) != doc.Size {
				t.Errorf("%d octets of %d: %v", len(data), doc.Size, err)
			}
			return nil
		}
		for _, c := range []struct {
			name string
			s    fax.Session
			id   string
			ok   bool
		}{
			{"own job", clerk, "abcd1", true}, {"by prefix", clerk, "abcd", true}, {"too short a prefix", clerk, "abc", false},
			{"another's job", other, "abcd1", false}, {"by prefix", other, "abcd", false}, {"a job, by who sees what is received", reader, "abcd1", false},
			{"a job, by who sees all", admin, "abcd1", true},
			{"assigned", clerk, "rrrr1", true}, {"prefix of one visible", clerk, "rrrr", true}, {"not assigned", clerk, "rrrr2", false},
			{"not assigned", other, "rrrr1", false}, {"sees received", reader, "rrrr2", true}, {"sees all", admin, "rrrr2", true},
		} {
			if err := sees(c.s, c.id); (err == nil) != c.ok || err != nil && fax.KindOf(err) != fax.NotFound {
				t.Errorf("%s: %s opens %s: %v", c.name, c.s.Account, c.id, err)
			}
		}
		wants(t, "prefix of two", sees(admin, "rrrr"), fax.Invalid)
		there, missing := sees(other, "abcd1"), sees(other, "abcd9")
		if strings.ReplaceAll(there.Error(), "abcd1", "abcd9") != missing.Error() {
			t.Errorf("%q and %q tell what there is", there, missing)
		}
		_, err = d.Job(t.Context(), other, job.ID)
		wants(t, "another's job", err, fax.NotFound)
		_, err = d.Direct(t.Context(), other, job.ID, fax.Cancelled)
		wants(t, "another's job", err, fax.NotFound)
		if jobs, err := d.Jobs(t.Context(), other, fax.JobFilter{}); err != nil || len(jobs) != 0 {
			t.Errorf("other sees %v, %v", jobs, err)
		}
		_, err = d.Jobs(t.Context(), clerk, fax.JobFilter{All: true})
		wants(t, "everybody's jobs", err, fax.NotAllowed)
		if jobs, err := d.Jobs(t.Context(), admin, fax.JobFilter{All: true, Drawer: fax.Pending}); err != nil || len(jobs) != 1 {
			t.Errorf("admin sees %v, %v", jobs, err)
		}
		_, err = d.Jobs(t.Context(), clerk, fax.JobFilter{Drawer: fax.Received})
		wants(t, "a drawer without jobs", err, fax.Invalid)
		if in, err := d.Inbox(t.Context(), clerk, 0); err != nil || len(in) != 1 {
			t.Errorf("clerk's inbox: %v, %v", in, err)
		}

		wants(t, "assign without the right", d.Assign(t.Context(), clerk, "rrrr1", []string{"other"}), fax.NotAllowed)
		wants(t, "assign to nobody", d.Assign(t.Context(), reader, "rrrr2", nil), fax.Invalid)
		if err := d.Assign(t.Context(), reader, "rrrr2", []string{"other"}); err != nil {
			t.Error(err)
		}
		if err := sees(other, "rrrr2"); err != nil {
			t.Error(err)
		}
		if j, err := d.Direct(t.Context(), clerk, "abcd", fax.Held); err != nil || j.State != fax.Held {
			t.Errorf("hold: %v, %v", j, err)
		}
		if j, err := d.Direct(t.Context(), admin, "abcd", fax.Cancelled); err != nil || j.State != fax.Cancelled {
			t.Errorf("cancel: %v, %v", j, err)
		}
		if got := activity(t, w); !slices.Contains(got, "other view") {
			t.Errorf("the view is not on record: %q", got)
		}
	})
}

// TestNamesake: the next account of a name has nothing of the one before; who
// sees all sees both.
func TestNamesake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := setUp(t)
		clerk, admin := login(t, d, "clerk"), login(t, d, "admin")
		submit(t, d, clerk, "abcd1")
		tiff, err := w.blobs.Put(strings.NewReader("TIFF received"))
		if err != nil {
			t.Fatal(err)
		}
		w.must(ledger.Receive{Fax: fax.ReceivedFax{ID: "rrrr1", Node: "west", Fax: tiff, Assigned: []string{"clerk"}, At: now()}})
		counts := func(s fax.Session, all bool) string {
			t.Helper()
			jobs, err := d.Jobs(t.Context(), s, fax.JobFilter{All: all})
			if err != nil {
				t.Fatal(err)
			}
			in, err := d.Inbox(t.Context(), s, 0)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("%d sent, %d received", len(jobs), len(in))
		}
		if got := counts(clerk, false); got != "1 sent, 1 received" {
			t.Fatalf("clerk sees %s", got)
		}
		if err := d.DropAccount(t.Context(), admin, "clerk"); err != nil {
			t.Fatal(err)
		}
		if err := d.AddAccount(t.Context(), admin, "Clerk", password, fax.Individual); err != nil {
			t.Fatal(err)
		}
		second := login(t, d, "clerk")
		if got := counts(second, false); got != "0 sent, 0 received" {
			t.Errorf("the second clerk sees %s", got)
		}
		if got := counts(admin, true); got != "1 sent, 1 received" {
			t.Errorf("the administrator sees %s", got)
		}
		for _, id := range []string{"abcd1", "abcd", "rrrr1", "rrrr"} {
			_, err := d.Job(t.Context(), second, id)
			wants(t, "status of "+id, err, fax.NotFound)
			_, err = d.Direct(t.Context(), second, id, fax.Cancelled)
			wants(t, "cancel "+id, err, fax.NotFound)
			_, _, err = d.OpenFax(t.Context(), second, id)
			wants(t, "view "+id, err, fax.NotFound)
		}
		_, err = d.Submit(t.Context(), second, fax.Order{ID: "abcd1", Upload: upload(t, d, second, "PAGE"), Number: "1"})
		wants(t, "the first clerk's order", err, fax.Exists)
		// To see all is not to direct all: the first clerk's job is not its own.
		if err := d.SetRights(t.Context(), admin, "clerk", fax.Individual|fax.MaySeeAll); err != nil {
			t.Fatal(err)
		}
		_, err = d.Direct(t.Context(), second, "abcd1", fax.Cancelled)
		wants(t, "cancel a namesake's job", err, fax.NotAllowed)
	})
}
