package dispatch

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/journal"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
)

// A job whose document cannot be had, at once or not in time, does not keep
// others from the line, and fails in the end.
func TestBadDocumentBlocksNobody(t *testing.T) {
	for name, fails := range map[string]func(ctx context.Context) error{
		"at once":     func(context.Context) error { return errors.New("damaged") },
		"not in time": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, dir := newCluster(t), t.TempDir()
				j, err := journal.Open(filepath.Join(dir, "journal"), quiet)
				if err != nil {
					t.Fatal(err)
				}
				defer j.Close()
				const damaged = 2 // pages
				d, err := Open(Config{Node: "south", Cluster: member{c, "south", true}, Journal: j, Changed: c.changed, Dial: sends,
					Stations: filepath.Join(dir, "stations.json"),
					Document: func(ctx context.Context, doc fax.Document) (Document, error) {
						if doc.Pages == damaged {
							return nil, fails(ctx)
						}
						return document(doc.Pages), nil
					},
					Log: quiet})
				if err != nil {
					t.Fatal(err)
				}
				defer d.Close()
				c.submit("bad", "1", damaged)
				time.Sleep(time.Millisecond) // the next one is younger
				c.submit("good", "2", 1)
				time.Sleep(2 * time.Minute)
				if j := c.job("good"); j.State != fax.Done {
					t.Errorf("the good job is %+v", j)
				}
				time.Sleep(24 * time.Hour)
				if j := c.job("bad"); j.State != fax.Undone || j.Reason == "" {
					t.Errorf("the bad job is %+v", j)
				}
			})
		})
	}
}

// Of several jobs to one number the first is cancelled in its call; the others
// are sent.
func TestCancelledJobLetsOthersGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		s := c.serve("south", true, t.TempDir(), func(ctx context.Context, line, job string, out modem.Outgoing) modem.Report {
			if job != "a" {
				return sends(ctx, line, job, out)
			}
			<-ctx.Done()
			return modem.Report{Status: status.Aborted}
		})
		defer s.close()
		for _, id := range []string{"a", "b", "c"} {
			c.submit(id, "1", 1)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		if r, err := c.apply(ledger.Direct{Job: "a", State: fax.Cancelled, By: "reception", Node: "north", At: fax.At(time.Now())}); err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
		time.Sleep(time.Minute)
		for id, want := range map[string]fax.State{"a": fax.Cancelled, "b": fax.Done, "c": fax.Done} {
			if j := c.job(id); j.State != want {
				t.Errorf("job %s is %+v, want %s", id, j, want)
			}
		}
	})
}

// A call that claims success without all pages confirmed is none.
func TestFalseSuccessIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		calls := 0
		s := c.serve("south", true, t.TempDir(), func(_ context.Context, _, _ string, out modem.Outgoing) modem.Report {
			if calls++; calls == 1 {
				if err := out.Confirmed(0); err != nil {
					t.Error(err)
				}
				return modem.Report{Status: status.OK, Pages: 3}
			}
			return modem.Report{Status: status.Busy}
		})
		defer s.close()
		c.submit("a", "1", 3)
		time.Sleep(10 * time.Second)
		if j := c.job("a"); j.State != fax.Queued || j.Confirmed != 1 || j.Last.Status != int(status.Disconnected) {
			t.Errorf("job = %+v, last %+v", j, j.Last)
		}
	})
}
