package dispatch

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/diary"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
)

// island has a cluster's node south go on alone, as the cluster does it.
type island struct {
	*cluster
	diary *diary.Diary
}

func (c *cluster) cutOff() *island {
	c.t.Helper()
	dir := c.t.TempDir()
	d, err := diary.Open(filepath.Join(dir, "diary"), "south", func(era string) (uint64, error) { return c.ledger.Imported("south", era) }, quiet)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { d.Close() })
	if err := c.ledger.OpenTail(filepath.Join(dir, "tail"), "south", d.Era()); err != nil {
		c.t.Fatal(err)
	}
	i := &island{c, d}
	c.alone, c.take = map[string]bool{"south": true}, i.take
	return i
}

func (i *island) take(cmd ledger.Command) (ledger.Result, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	data, err := ledger.Encode(cmd)
	if err != nil {
		return ledger.Result{}, err
	}
	r, _, err := i.ledger.Try(i.diary.Next(), cmd, func() error { return i.diary.Append(data, false) })
	i.ringLocked()
	return r, err
}

func (i *island) submit(id, number string) {
	i.t.Helper()
	cmd := submit(id, number, 1).(ledger.Submit)
	cmd.Job.Home, cmd.Job.Alone = "south", "south"
	if r, err := i.take(cmd); err != nil || r.Err != nil {
		i.t.Fatal(err, r.Err)
	}
}

// TestIslandDay: a node is alone for a day. It sends what it has taken, again
// where that failed, each fax once; it calls for nothing that the others may
// call for; and afterwards the others know each of its calls.
func TestIslandDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.submit("before", "9", 1)
		c.submit("leased", "8", 1)
		now := fax.At(time.Now())
		if r, err := c.apply(ledger.Assign{Job: "leased", Attempt: 1, Node: "south", Line: "s1", At: now, Until: now + 600_000}); err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
		c.setLine("north", "n1", "free") // as it was when the link broke
		i := c.cutOff()
		var sent []string
		tries := map[string]int{}
		s := c.serve("south", false, t.TempDir(), func(ctx context.Context, line, job string, out modem.Outgoing) modem.Report {
			if line != "s1" {
				t.Errorf("line %s is not south's", line)
			}
			time.Sleep(2 * time.Minute)
			if tries[job]++; tries[job] < 3 && len(job) == 3 {
				return modem.Report{Status: status.Busy}
			}
			sent = append(sent, job)
			return sends(ctx, line, job, out)
		})
		const faxes = 21
		for n := range faxes {
			i.submit(fmt.Sprint("j", n), fmt.Sprint(n))
			time.Sleep(70 * time.Minute)
		}
		s.close()
		slices.Sort(sent)
		if len(sent) != faxes || len(slices.Compact(sent)) != faxes {
			t.Errorf("%d faxes were sent, of %d: %q", len(sent), faxes, sent)
		}
		if j := c.job("before"); j.State != fax.Queued || j.Tries != 0 {
			t.Errorf("from before: %+v", j)
		}
		if err := c.ledger.CloseTail(); err != nil {
			t.Fatal(err)
		}
		for {
			batch, ok := i.diary.Batch(1)
			if !ok {
				break
			}
			c.applyAll([]ledger.Command{batch, batch})
			i.diary.Taken(batch)
		}
		c.applyAll([]ledger.Command{ledger.Ashore{Node: "south", Era: i.diary.Era(), At: 1}})
		whats := map[string]int{}
		for a, err := range c.ledger.WholeActivity() {
			if err != nil {
				t.Fatal(err)
			}
			whats[a.What]++
		}
		if whats["sent"] != faxes || whats["submit"] != faxes+2 || whats["import-refused"] != 0 {
			t.Errorf("on record: %v", whats)
		}
		for n := range faxes {
			if j := c.job(fmt.Sprint("j", n)); j.State != fax.Done || j.Confirmed != 1 || j.Tries != tries[j.ID] {
				t.Errorf("%+v after %d calls", j, tries[j.ID])
			}
		}
		if j := c.job("leased"); j.State != fax.Queued {
			t.Errorf("it was leased and not dialled: %+v", j)
		}
	})
}
