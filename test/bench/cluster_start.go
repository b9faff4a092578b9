package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// How the records are made.
const (
	batchWriters  = 8      // that propose at once
	singleWriters = 64     // the same, for the last records
	recordSpan    = 500    // records that one of them makes in a row
	recordsSingly = 12_000 // the last ones, each command an entry of its own: what the log holds then
	recordTries   = 10     // of one batch on a slow disk
	jobEvery      = 4      // each so many-th record is a fax that was sent, the others were received
	settleBefore  = 2 * time.Second
)

// start measures the start of a node that has many fax records, and its memory
// then.
func (b *clusterBench) start(ctx context.Context) ([]bar, error) {
	c := &nodes{dir: filepath.Join(b.dir, "start"), program: b.program}
	c.ip = fmt.Sprintf("127.%d.%d.2", 64+os.Getpid()>>8&63, os.Getpid()&255)
	if err := os.Mkdir(c.dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(c.dir, "admin.pw"), []byte(benchPassword+"\n"), 0o600); err != nil {
		return nil, err
	}
	n := &oneNode{name: "north", clients: c.ip + ":7488"}
	c.all = []*oneNode{n}
	err := c.tool(ctx, "init", "--password-file", "admin.pw", "--token-file", "token", "--data", n.name, "--name", n.name,
		"--listen", c.ip+":7487", "--client-listen", n.clients)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := fillLedger(ctx, filepath.Join(c.dir, n.name), c.ip, b.records); err != nil {
		return nil, fmt.Errorf("make %d records: %w", b.records, err)
	}
	fmt.Fprintf(b.out, "%d records were made in %.0f s\n", b.records, time.Since(begun).Seconds())
	begun = time.Now()
	if err := c.up(ctx, n); err != nil {
		return nil, err
	}
	defer n.proc.kill()
	took := time.Since(begun)
	time.Sleep(settleBefore) // what it does first, it has begun
	memory, err := residentMiB(n.proc.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	if err := b.stillThere(ctx, c); err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%d records", b.records)
	return []bar{atMost("s to start with "+name, took.Seconds(), mostStart), atMost("MiB of memory with "+name, memory, mostStartMemory)}, nil
}

// stillThere asks the node for the newest records.
func (b *clusterBench) stillThere(ctx context.Context, c *nodes) error {
	s, err := c.login(ctx, 0)
	if err != nil {
		return err
	}
	defer s.Close()
	faxes, err := s.Inbox(ctx, 10)
	if err == nil && len(faxes) == 0 {
		err = errors.New("the records are not there")
	}
	return err
}

// residentMiB is what the process takes of the memory now (proc(5)), with the
// pages of its files that it has mapped.
func residentMiB(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	found := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		return 0, errors.New("no VmRSS")
	}
	kib, err := strconv.Atoi(string(found[1]))
	return float64(kib) / 1024, err
}

// fillLedger files records in the ledger of a node that does not run, with the
// commands of clients: a batch of them in each entry of the log, the last of
// them one by one, as clients would.
func fillLedger(ctx context.Context, dir, ip string, records int) (err error) {
	c, err := cluster.Open(ctx, cluster.Options{Dir: dir, PeerListen: ip + ":7487", ClientAddr: ip + ":7488"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	batched := max(0, records-recordsSingly)
	if err := fillSpan(ctx, c, batchWriters, 0, batched, false); err != nil {
		return err
	}
	return fillSpan(ctx, c, singleWriters, batched, records, true)
}

// fillSpan files the records from begin to end.
func fillSpan(ctx context.Context, c *cluster.Cluster, count, begin, end int, singly bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan [2]int)
	var writers sync.WaitGroup
	for writer := range count {
		writers.Go(func() {
			f := filler{cluster: c, era: fmt.Sprintf("bench-%v-%d", singly, writer), singly: singly}
			for span := range work {
				if err := f.file(ctx, span[0], span[1]); err != nil {
					cancel(fmt.Errorf("records %d to %d: %w", span[0], span[1], err))
					return
				}
			}
		})
	}
	for first := begin; first < end; first += recordSpan {
		select {
		case work <- [2]int{first, min(first+recordSpan, end)}:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(work)
	writers.Wait()
	return context.Cause(ctx)
}

// filler is a writer of records, with an era of its own: each of its commands
// is taken once, however often it is proposed.
type filler struct {
	cluster *cluster.Cluster
	era     string
	filed   uint64 // commands
	singly  bool
}

// file makes the records from first to end, in one order.
func (f *filler) file(ctx context.Context, first, end int) error {
	batch := ledger.Import{Node: "north", Era: f.era, At: fax.At(time.Unix(1_700_000_000, 0))}
	octets := 0
	for i := first; i < end; i++ {
		for _, command := range recordOf(i) {
			data, err := ledger.Encode(command)
			if err != nil {
				return err
			}
			full := len(batch.Commands) == ledger.MaxImported || f.singly && len(batch.Commands) == 1
			if full || octets+len(data)+8 > ledger.MaxImport-ledger.ImportOverhead {
				if err := f.propose(ctx, batch); err != nil {
					return err
				}
				batch.Commands, octets = nil, 0
			}
			batch.Commands, octets = append(batch.Commands, data), octets+len(data)+8
		}
	}
	return f.propose(ctx, batch)
}

// propose repeats a batch whose outcome is not known.
func (f *filler) propose(ctx context.Context, batch ledger.Import) (err error) {
	batch.First = f.filed + 1
	for range recordTries {
		_, err = f.cluster.Propose(ctx, batch)
		if err == nil {
			f.filed += uint64(len(batch.Commands))
			return nil
		}
		if fax.KindOf(err) != fax.Unavailable && !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// recordOf is the commands that leave a record of a fax.
func recordOf(i int) []ledger.Command {
	at := fax.At(time.Unix(1_700_000_000, 0)) + fax.Millis(i)*1000
	document := fax.Document{Hash: fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, i))), Size: documentSize, Pages: 2}
	id := fmt.Sprintf("record-%09d", i)
	if i%jobEvery != 0 {
		return []ledger.Command{ledger.Receive{Fax: fax.ReceivedFax{ID: id, Node: "north", Line: "line1", Called: "0301", Caller: "0401",
			Remote: "+49 30 401", Fax: document, At: at, Details: "V.17 14400, ECM, MMR", Assigned: []string{"admin"}}}}
	}
	return []ledger.Command{
		ledger.Submit{Job: fax.Job{ID: id, Owner: "admin", Number: "0401", Title: "letter.pdf", Source: document, Fax: document,
			State: fax.Queued, Submitted: at, Home: "north", Updated: at}},
		ledger.Assign{Job: id, Attempt: 1, Node: "north", Line: "line1", At: at, Until: at + 30_000},
		ledger.Finish{Job: id, Attempt: 1, Node: "north", State: fax.Done, Confirmed: 2, Remote: "+49 30 401", Details: "V.17 14400, ECM, MMR", At: at + 40_000},
	}
}
