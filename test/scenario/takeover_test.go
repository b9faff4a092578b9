//go:build linux

package scenario

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Times of TestNodeFallsWithWaitingJob. Without taking attempts back the job
// would be dialled a quarter of an hour later.
const (
	waitingFor = 3 * time.Second        // from the submit to the job's time
	fallBefore = 200 * time.Millisecond // of that
	takenOver  = 60 * time.Second       // on a slow machine
)

// TestNodeFallsWithWaitingJob: a node is killed just before a job of its own is
// due, so that it is given to its line and never dialled. Another node dials.
func TestNodeFallsWithWaitingJob(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	exchange := l.exchange(t, lineSpeed)
	north := l.found(t, "north")
	nodes := []*node{north, l.join(t, north, "south", 1, "0301"), l.join(t, north, "west", 2, "0401")}
	settledLeader(t, nodes)
	south := nodes[1]
	client := south.login(t, "admin", adminPassword)
	const number = "0999" // of nobody
	mark := exchange.said.mark()
	ctx, cancel := asking(t)
	due := time.Now().Add(waitingFor)
	job, err := client.Submit(ctx, fax.Order{Number: number, Title: "a.txt", NotBefore: fax.At(due)}, bytes.NewReader([]byte("a\n")), 2, nil)
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Until(due) - fallBefore) // it waits for its time
	south.proc.kill()
	end := exchange.said.await(t, mark, "0401 to "+number+", dialled", takenOver)
	if strings.Contains(exchange.said.String()[mark:end], "0301 to "+number) {
		t.Error("two nodes have dialled")
	}
	ctx, cancel = asking(t)
	defer cancel()
	job, err = north.login(t, "admin", adminPassword).Job(ctx, job.ID)
	if err != nil || job.Last == nil || job.Last.Node != "west" {
		t.Errorf("job %+v, last %+v, %v", job, job.Last, err)
	}
}
