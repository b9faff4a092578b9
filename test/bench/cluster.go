package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/modem/tiff"
)

// What is asked of a cluster.
const (
	mostLeaderless  = 2.0   // seconds, in 99 of 100 cases
	mostTakeOver    = 5.0   // seconds until a dead node's waiting jobs are dialled elsewhere
	mostStart       = 3.0   // seconds to start a node with a million records
	mostStartMemory = 200.0 // MiB then
)

// leastOverSendfax is how many times as many submits a second as sendfax's so
// many clients get acknowledged.
var leastOverSendfax = map[int]float64{16: 1.0, 64: 3.0}

// documentSize is the size of what is submitted, in octets: one dense page.
const documentSize = 35_000

// crowds are how many clients submit at once.
var crowds = [...]int{1, 16, 64}

// clusterParts are what can be measured alone.
var clusterParts = []string{"submit", "leader", "takeover", "start"}

// clusterBench is what was asked for.
type clusterBench struct {
	parts   []string
	slice   time.Duration // for each crowd
	kills   int
	records int
	dir     string
	program string
	out     io.Writer
}

// measureCluster measures three nodes on this machine's loopback.
func measureCluster(args []string, out io.Writer) (bars []bar, err error) {
	b := clusterBench{out: out}
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.DurationVar(&b.slice, "slice", 8*time.Second, "how long each crowd of clients submits")
	flags.IntVar(&b.kills, "kills", 20, "how often the leader is killed")
	flags.IntVar(&b.records, "records", 1_000_000, "fax records that a node starts with")
	parts := flags.String("parts", strings.Join(clusterParts, ","), "what to measure")
	flags.StringVar(&b.program, "program", "", "faxmeshd to measure; empty: it is built")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	b.parts = strings.Split(*parts, ",")
	for _, p := range b.parts {
		if !slices.Contains(clusterParts, p) {
			return nil, fmt.Errorf("%q cannot be measured; %s can", p, strings.Join(clusterParts, ", "))
		}
	}
	if flags.NArg() > 0 || b.slice <= 0 || b.kills < 1 || b.records < 1 {
		return nil, errors.New("want no arguments, and a slice, kills and records above 0")
	}
	if b.dir, err = os.MkdirTemp("", "bench-cluster-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(b.dir)
	if b.program == "" {
		if b.program, err = buildNode(b.dir); err != nil {
			return nil, err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for _, p := range b.parts {
		more, err := b.measure(ctx, p)
		if err != nil {
			return bars, fmt.Errorf("%s: %w", p, err)
		}
		bars = append(bars, more...)
	}
	return bars, nil
}

func (b *clusterBench) measure(ctx context.Context, part string) ([]bar, error) {
	if part == "start" {
		return b.start(ctx)
	}
	c, err := startCluster(ctx, b.dir, part, b.program)
	if err != nil {
		return nil, err
	}
	defer c.close()
	switch part {
	case "submit":
		return b.submit(ctx, c)
	case "leader":
		return b.leader(ctx, c)
	default:
		return b.takeOver(ctx, c)
	}
}

// submit compares acknowledged submits: here they are flushed on a majority of
// three nodes, and the document on two, there nothing is flushed. HylaFAX is
// measured as people and scripts submit to it, by a sendfax for each job: that
// has the bars. A program that speaks hfaxd's protocol and stays connected, as
// faxmesh's clients do, is told beside it.
func (b *clusterBench) submit(ctx context.Context, c *nodes) ([]bar, error) {
	document, err := densePage()
	if err != nil {
		return nil, err
	}
	theirs, err := b.hylafaxSubmits(ctx, document)
	if err != nil {
		return nil, fmt.Errorf("HylaFAX: %w", err)
	}
	if err := c.hire(ctx, slices.Max(crowds[:])); err != nil {
		return nil, err
	}
	var bars []bar
	for i, crowd := range crowds {
		ours, err := b.crowd(ctx, c, crowd, document)
		if err != nil {
			return nil, err
		}
		them := theirs[i]
		fmt.Fprintf(b.out, "%2d clients: faxmesh %7.1f submits/s, sendfax %7.1f, hfaxd over connections that stay open %7.1f\n", crowd, ours, them.sendfax, them.hfaxd)
		of := fmt.Sprintf("submits/s of %d clients", crowd)
		ratio := info(of+" / sendfax", ours/them.sendfax)
		if least, has := leastOverSendfax[crowd]; has {
			ratio = atLeast(ratio.Name, ratio.Value, least)
		}
		bars = append(bars, info(of+", faxmesh", ours), info(of+", sendfax", them.sendfax),
			info(of+", hfaxd, connections stay open", them.hfaxd), ratio,
			info(of+" / hfaxd, connections stay open", ours/them.hfaxd))
	}
	return bars, nil
}

// crowd is how many submits a second so many clients get acknowledged, spread
// over the nodes, each with an account of its own.
func (b *clusterBench) crowd(ctx context.Context, c *nodes, clients int, document []byte) (float64, error) {
	var sessions []*clientlib.Client
	for i := range clients {
		s, err := c.loginAs(ctx, i%len(c.all), clerk(i))
		if err != nil {
			return 0, err
		}
		defer s.Close()
		sessions = append(sessions, s)
	}
	tomorrow := fax.At(time.Now().Add(24 * time.Hour))
	return rate(ctx, clients, b.slice, func(ctx context.Context, client int) error {
		order := fax.Order{Number: fmt.Sprintf("0999%d", client), Title: "page.tif", NotBefore: tomorrow}
		_, err := sessions[client].Submit(ctx, order, bytes.NewReader(document), int64(len(document)), nil)
		return err
	})
}

// errNotTaken is what rate goes on after without counting.
var errNotTaken = errors.New("not taken by sendfax")

// rate is how often a second clients that work at once get something done.
func rate(ctx context.Context, clients int, slice time.Duration, do func(ctx context.Context, client int) error) (float64, error) {
	var mu sync.Mutex
	done := 0
	var errs []error
	var working sync.WaitGroup
	begun := time.Now()
	var last time.Duration
	for client := range clients {
		working.Go(func() {
			for time.Since(begun) < slice && ctx.Err() == nil {
				err := do(ctx, client)
				mu.Lock()
				if err == errNotTaken {
					err = nil
				} else if err != nil {
					errs = append(errs, err)
				} else {
					done, last = done+1, time.Since(begun)
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	working.Wait()
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return 0, err
	}
	if done == 0 {
		return 0, errors.New("nothing was taken")
	}
	return float64(done) / last.Seconds(), nil
}

// densePage is a page whose TIFF file has about documentSize octets.
func densePage() ([]byte, error) {
	noise := rand.New(rand.NewPCG(1, 1))
	for rows := 100; ; rows += 50 {
		page := t4.NewBitmap(1728, rows)
		for i := range page.Pix {
			if noise.IntN(12) == 0 {
				page.Pix[i] = byte(noise.Uint32())
			}
		}
		var file bytes.Buffer
		w := tiff.NewWriter(&file, tiff.Options{Coding: tiff.Group4})
		if err := errors.Join(w.WritePage(page, t4.Fine), w.Close()); err != nil {
			return nil, err
		}
		if file.Len() >= documentSize {
			return file.Bytes(), nil
		}
	}
}
