//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"go.etcd.io/bbolt"
)

// Times of the end.
const (
	drainTime  = 6 * time.Minute // for every fax to end: retries take their time
	settleTime = 45 * time.Second
	fetchTime  = 20 * time.Second
)

// drain waits until every acknowledged fax has ended at a node; false if that
// takes too long.
func (c *cluster) drain(ctx context.Context, orders []order) bool {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	p := &person{addrs: c.addrs(), account: adminName, password: adminPassword}
	defer p.leave()
	for _, o := range orders {
		for o.Acked {
			client, err := p.at(ctx)
			if err == nil {
				var j fax.Job
				if j, err = client.Job(ctx, o.Job); err == nil && j.State.Ended() {
					break
				}
				if err != nil && fax.KindOf(err) == fax.NotFound {
					break // the checks will say so
				}
			}
			if !pause(ctx, 250*time.Millisecond) {
				return false
			}
		}
	}
	return true
}

// collect asks every node for what it knows. Nobody else works any more.
func (c *cluster) collect(ctx context.Context, orders []order, told []mark) (map[string]*found, error) {
	all := map[string]*found{}
	for _, n := range c.nodes {
		f := &found{jobs: map[string]fax.Job{}, received: map[mark]int{}}
		all[n.name] = f
		if err := c.ask(ctx, n, f, orders, told); err != nil {
			f.trouble = append(f.trouble, err.Error())
		}
	}
	return all, c.compare(ctx, all)
}

// ask collects what a node tells a client. Received faxes may be on their way
// for a while.
func (c *cluster) ask(ctx context.Context, n *node, f *found, orders []order, told []mark) error {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	p := &person{addrs: []string{n.at(clientPort)}, account: adminName, password: adminPassword}
	defer p.leave()
	client, err := p.at(ctx)
	if err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	for _, o := range orders {
		j, err := client.Job(ctx, o.Job)
		if err == nil {
			f.jobs[o.Job] = j
		} else if fax.KindOf(err) != fax.NotFound {
			return fmt.Errorf("ask for job %s: %w", o.Job, err)
		}
	}
	accounts, err := client.Accounts(ctx)
	if err != nil {
		return fmt.Errorf("ask for the accounts: %w", err)
	}
	for _, a := range accounts {
		f.accounts = append(f.accounts, a.Name)
	}
	read := map[string]bool{}
	for end := time.Now().Add(settleTime); ; {
		faxes, err := client.Inbox(ctx, 0)
		if err != nil {
			return fmt.Errorf("ask for received faxes: %w", err)
		}
		f.trouble = nil
		for _, r := range faxes {
			if read[r.ID] {
				continue
			}
			if marks, err := fetch(ctx, client, r.ID); err != nil {
				f.trouble = append(f.trouble, fmt.Sprintf("received fax %s: %v", r.ID, err))
			} else {
				read[r.ID] = true
				for _, m := range marks {
					f.received[m]++
				}
			}
		}
		if f.trouble == nil && hasAll(f.received, told) || time.Now().After(end) || !pause(ctx, time.Second) {
			return nil
		}
	}
}

func hasAll(received map[mark]int, told []mark) bool {
	for _, m := range told {
		if received[m] == 0 {
			return false
		}
	}
	return true
}

type fetcher interface {
	Fetch(ctx context.Context, id string, w io.Writer) (fax.Document, error)
}

// fetch reads a received fax; the library checks its hash.
func fetch(ctx context.Context, c fetcher, id string) ([]mark, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	var file bytes.Buffer
	if _, err := c.Fetch(ctx, id, &file); err != nil {
		return nil, err
	}
	return marksOf(file.Bytes())
}

// compare reads the ledgers of all nodes while they stand still. Nodes may need
// a while until they are at the same place.
func (c *cluster) compare(ctx context.Context, all map[string]*found) error {
	for end := time.Now().Add(settleTime); ; {
		if err := c.copyLedgers(); err != nil {
			return err
		}
		at := map[uint64]bool{}
		for _, n := range c.nodes {
			f := all[n.name]
			if err := readLedger(filepath.Join(c.dir, n.name+".ledger.db"), f); err != nil {
				return fmt.Errorf("read the ledger of %s: %w", n.name, err)
			}
			at[f.applied] = true
		}
		if len(at) == 1 || time.Now().After(end) || !pause(ctx, time.Second) {
			return nil
		}
	}
}

// copyLedgers copies the ledgers of all nodes in one moment.
func (c *cluster) copyLedgers() (err error) {
	for _, n := range c.nodes {
		err = errors.Join(err, n.signal(syscall.SIGSTOP))
	}
	for _, n := range c.nodes {
		paths, _ := filepath.Glob(filepath.Join(n.data(), "*", "ledger.db"))
		if more, _ := filepath.Glob(filepath.Join(n.data(), "ledger.db")); len(paths)+len(more) != 1 {
			err = errors.Join(err, fmt.Errorf("%s has %d ledgers", n.name, len(paths)+len(more)))
			continue
		} else {
			paths = append(paths, more...)
		}
		data, fault := os.ReadFile(paths[0])
		err = errors.Join(err, fault, os.WriteFile(filepath.Join(c.dir, n.name+".ledger.db"), data, 0o600))
	}
	for _, n := range c.nodes {
		err = errors.Join(err, n.signal(syscall.SIGCONT))
	}
	return err
}

// readLedger reads where a ledger stands and a digest of all that it holds.
func readLedger(path string, f *found) error {
	l, err := ledger.Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer l.Close()
	var chain [32]byte
	f.applied, chain = l.Applied()
	f.chain = hex.EncodeToString(chain[:])
	_, f.activity = ledger.VerifyActivity(l.WholeActivity())
	if f.news, err = readNews(l); err != nil {
		return err
	}
	f.digest, err = digest(path)
	return err
}

// digest is a hash over every record of a ledger, in their order. The ledger
// must not be open for writing elsewhere.
func digest(path string) (string, error) {
	copied := path + ".read"
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(copied, data, 0o600); err != nil {
		return "", err
	}
	defer os.Remove(copied)
	db, err := bbolt.Open(copied, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		return "", err
	}
	defer db.Close()
	sum := sha256.New()
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, bucket *bbolt.Bucket) error {
			fmt.Fprintf(sum, "%q\n", name)
			return bucket.ForEach(func(k, v []byte) error {
				fmt.Fprintf(sum, "%x %x\n", k, v)
				return nil
			})
		})
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

// memory is the most that the node's process has needed, in MiB (proc(5)).
func (n *node) memory() int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.current().cmd.Process.Pid))
	if err != nil {
		return 0
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		return 0
	}
	kib, _ := strconv.Atoi(string(found[1])) // digits
	return kib >> 10
}

// count ends the nodes with SIGQUIT, with which Go tells its goroutines.
func (c *cluster) count(all map[string]*found) error {
	for _, n := range c.nodes {
		f := all[n.name]
		f.memory = n.memory()
		f.descriptors[0] = n.opened
		var err error
		if f.descriptors[1], err = n.descriptors(); err != nil {
			return err
		}
		if f.goroutines, err = n.quit(); err != nil {
			return err
		}
	}
	return nil
}

// keep copies what nodes have on their disks to dir, for whoever looks into a
// failure.
func (c *cluster) keep(dir string) error {
	var errs []error
	for _, n := range c.nodes {
		n.kill()
		errs = append(errs, copyTree(n.data(), filepath.Join(dir, n.name+".data")))
	}
	err := errors.Join(errs...)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
