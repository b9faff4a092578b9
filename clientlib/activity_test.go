package clientlib_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/activity"
	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// cutting is a writer that has something done after so many lines.
type cutting struct {
	bytes.Buffer
	lines int
	do    func()
}

func (c *cutting) Write(p []byte) (int, error) {
	if c.lines--; c.lines == 0 {
		c.do()
	}
	return c.Buffer.Write(p)
}

// TestActivityOverSeveralAnswers: a search and an export go on where one answer
// ends, the export also at another node when the first is lost.
func TestActivityOverSeveralAnswers(t *testing.T) {
	c := start(t, "north", "south")
	const n = 2500
	for i := range n {
		c.Desk.PutActivity("clerk", "view", fmt.Sprintf("fax%d", i))
	}
	client := login(t, c, "admin", clientlib.Options{})
	ctx := patience(t)
	var seqs []uint64
	see := func(a fax.Activity) error {
		seqs = append(seqs, a.Seq)
		return nil
	}
	if err := client.FindActivity(ctx, fax.ActivityFilter{Account: "clerk", Newest: true, Limit: 1500}, see); err != nil {
		t.Fatal(err)
	}
	if len(seqs) != 1500 || seqs[0] != n || seqs[1499] != n-1499 {
		t.Errorf("%d entries are found, from %d to %d", len(seqs), seqs[0], seqs[len(seqs)-1])
	}
	seqs = nil
	if err := client.FindActivity(ctx, fax.ActivityFilter{After: 10}, see); err != nil {
		t.Fatal(err)
	}
	if len(seqs) < n-10 || seqs[0] != 11 {
		t.Errorf("%d entries are found behind entry 10, the first is %d", len(seqs), seqs[0])
	}
	out := &cutting{lines: 1200, do: c.Server("north").Stop}
	head, err := client.ExportActivity(ctx, 100, out)
	if err != nil {
		t.Fatal(err)
	}
	if head.First != 101 || head.Last < n || strings.Count(out.String(), "\n") != int(head.Last-head.First)+2 {
		t.Errorf("entries %d to %d are exported in %d lines", head.First, head.Last, strings.Count(out.String(), "\n"))
	}
	if _, err := activity.Verify(out, nil); err != nil {
		t.Error(err)
	}
}
