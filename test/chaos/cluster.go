//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib"
)

// diskSize is a node's disk in MiB.
const diskSize = 192

// linesANode is how many telephone lines a node has.
const linesANode = 2

const adminName, adminPassword = "admin", "correct horse"

// cluster is the nodes, and those who follow who leads.
type cluster struct {
	dir     string
	wire    *wire
	nodes   []*node
	history *history

	mu     sync.Mutex
	leader string // as it was told last
}

// lineNumber is the telephone number of a node's line.
func lineNumber(node, line int) string { return fmt.Sprintf("03%02d%d", node, line) }

// establish makes a cluster of so many nodes in dir and waits until all serve.
func establish(ctx context.Context, dir, program string, count int, w *wire, h *history) (*cluster, error) {
	c := &cluster{dir: dir, wire: w, history: h}
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(filepath.Join(dir, "admin.pw"), []byte(adminPassword+"\n"), 0o600); err != nil {
		return nil, err
	}
	for i := range count {
		at := ""
		if i > 0 {
			at = c.nodes[0].at(clusterPort)
		}
		if err := c.enlarge(ctx, program, token, at); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// enlarge makes one more node, which joins at an address, or is the first of
// the cluster, and waits until it serves.
func (c *cluster) enlarge(ctx context.Context, program, token, at string) error {
	n, err := c.place(len(c.nodes)+1, program)
	if err != nil {
		return err
	}
	args := []string{"--data", n.data(), "--name", n.name, "--listen", n.at(clusterPort), "--client-listen", n.at(clientPort)}
	for l := range linesANode {
		args = append(args, "--line", fmt.Sprintf("%s@exchange:%s", lineNumber(n.number, l+1), exchangeAddr))
	}
	if at == "" {
		args = append([]string{"init", "--admin", adminName, "--password-file", filepath.Join(c.dir, "admin.pw"), "--token-file", token}, args...)
	} else {
		args = append(append([]string{"join", "--token-file", token}, args...), at)
	}
	if err := n.tool(args...); err != nil {
		return err
	}
	if n.disk, err = newDisk(n.data()); err != nil {
		return err
	}
	if err := n.start(); err != nil {
		return err
	}
	ready, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	if err := n.serves(ready); err != nil {
		return err
	}
	if n.opened, err = n.descriptors(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes = append(c.nodes, n)
	return nil
}

// place makes a node's host and disk.
func (c *cluster) place(number int, program string) (*node, error) {
	n := &node{number: number, name: fmt.Sprintf("n%d", number), program: program, history: c.history}
	n.place = filepath.Join(c.dir, n.name)
	var err error
	if n.host, err = newHost(number, c.wire); err != nil {
		return nil, err
	}
	if err := mountDisk(n.place, diskSize); err != nil {
		return nil, err
	}
	if n.log, err = os.Create(filepath.Join(c.dir, n.name+".log")); err != nil {
		return nil, err
	}
	return n, nil
}

// addrs are where clients reach the nodes.
func (c *cluster) addrs() (all []string) {
	for _, n := range c.nodes {
		all = append(all, n.at(clientPort))
	}
	return all
}

// trusting accepts whatever cluster answers: there is one only.
func trusting() clientlib.Options {
	return clientlib.Options{Program: "chaos", OnFirstUse: func(string) error { return nil }}
}

// login opens a session at the first of addrs that answers.
func login(ctx context.Context, addrs []string, account, password string) (*clientlib.Client, error) {
	c, err := clientlib.Dial(ctx, addrs, trusting())
	if err != nil {
		return nil, err
	}
	if _, err := c.Login(ctx, account, password); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// allServe waits until every node serves.
func (c *cluster) allServe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*readyTime)
	defer cancel()
	for _, n := range c.nodes {
		if err := n.serves(ctx); err != nil {
			return err
		}
	}
	return nil
}

// followLeader asks who leads until ctx ends.
func (c *cluster) followLeader(ctx context.Context, watch *clientlib.Client) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		asking, cancel := context.WithTimeout(ctx, time.Second)
		nodes, err := watch.Cluster(asking)
		cancel()
		if err == nil {
			c.mu.Lock()
			for _, n := range nodes {
				if n.Leader {
					c.leader = n.Node.Name
				}
			}
			c.mu.Unlock()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// leads is the node that leads as far as is known, the first if nobody knows.
func (c *cluster) leads() *node {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.nodes {
		if n.name == c.leader {
			return n
		}
	}
	return c.nodes[0]
}

// followers are all others.
func (c *cluster) followers() (others []*node) {
	leader := c.leads()
	for _, n := range c.nodes {
		if n != leader {
			others = append(others, n)
		}
	}
	return others
}
