//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// clusterFaults are those of rows 11, 13, 14 and 16.
func clusterFaults() []fault {
	return []fault{
		{11, "disk-missing", 1, diskMissing},
		{11, "twin", 1, twin},
		{13, "join", 1, joinNode},
		{14, "far-behind", 1, farBehind},
		{16, "hostile", 2, hostile},
	}
}

// diskMissing starts a node without its disk, as when it was not mounted.
func diskMissing(_ context.Context, s *stage) (string, error) {
	n := s.any()
	n.kill()
	aside := n.place + ".aside"
	if err := moveAll(n.data(), aside); err != nil {
		return n.name, err
	}
	err := n.start()
	time.Sleep(s.between(time.Second, 4*time.Second)) // it is tried again and again
	n.kill()
	served := false
	select {
	case <-n.current().ready:
		served = true
	default:
	}
	entries, _ := os.ReadDir(n.data())
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(n.data(), e.Name())))
	}
	err = errors.Join(err, moveAll(aside, n.data()), n.disk.settle(), n.start())
	if served {
		err = errors.Join(err, fmt.Errorf("%s served without its disk", n.name))
	}
	return n.name, err
}

// moveAll copies what is in from to to, with its modes, and removes it.
func moveAll(from, to string) error {
	if err := copyTree(from, to); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(from, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func copyTree(from, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	return os.CopyFS(to, os.DirFS(from))
}

// twinHost is the host of a second node of the same identity.
const twinHost = 200

// twin starts a copy of a node on another host while the first one works.
func twin(_ context.Context, s *stage) (string, error) {
	n := s.any()
	n.kill()
	copied := &node{number: twinHost, name: n.name + ".twin", program: n.program, history: s.history, log: n.log}
	copied.place = filepath.Join(s.dir, copied.name)
	err := os.RemoveAll(copied.place)
	if err == nil {
		err = copyTree(n.data(), copied.data())
	}
	err = errors.Join(err, n.start())
	if err != nil {
		return n.name, err
	}
	if copied.host, err = newHost(twinHost, s.wire); err != nil {
		return n.name, err
	}
	if copied.disk, err = newDisk(copied.data()); err != nil {
		return n.name, err
	}
	addr := copied.host.addr.String()
	if err := copied.start("NCFX_NETWORK_SERVERTCPADDRESS="+addr, "NCFX_NETWORK_SERVERUDPADDRESS="+addr); err != nil {
		return n.name, err
	}
	time.Sleep(s.between(2*time.Second, 8*time.Second)) // both are there
	copied.kill()
	return n.name, os.RemoveAll(copied.place)
}

// mostNodes is up to how many nodes join.
const mostNodes = 5

// joinNode adds a node while everybody works.
func joinNode(ctx context.Context, s *stage) (string, error) {
	if len(s.nodes) >= mostNodes {
		return "", fmt.Errorf("%w again: there are %d nodes", errCannot, len(s.nodes))
	}
	joining, cancel := context.WithTimeout(ctx, recoverTime)
	defer cancel()
	p := &person{addrs: s.addrs(), account: adminName, password: adminPassword}
	defer p.leave()
	admin, err := p.at(joining)
	if err != nil {
		return "", err
	}
	secret, err := admin.NewToken(joining, 1, 1)
	if err != nil {
		return "", err
	}
	token := filepath.Join(s.dir, "token.join")
	if err := os.WriteFile(token, []byte(secret), 0o600); err != nil {
		return "", err
	}
	err = s.enlarge(joining, s.nodes[0].program, token, s.any().at(clusterPort))
	return s.nodes[len(s.nodes)-1].name, err
}

// How far behind a node is put: behind the entries that the others keep.
const (
	behindBy      = 20_000 // changes
	behindWriters = 48
	behindTime    = 90 * time.Second
)

// farBehind lets the others go on without a node until it needs a snapshot.
func farBehind(ctx context.Context, s *stage) (string, error) {
	nodes := s.followers()
	n := nodes[s.chance.IntN(len(nodes))]
	n.kill()
	done, err := s.write(ctx, behindBy, without(s.nodes, n))
	return fmt.Sprintf("%s by %d changes", n.name, done), errors.Join(err, n.start())
}

// write makes so many changes at some nodes.
func (s *stage) write(ctx context.Context, count int, at []*node) (done int, err error) {
	ctx, cancel := context.WithTimeout(ctx, behindTime)
	defer cancel()
	var writers sync.WaitGroup
	var mu sync.Mutex
	for w := range behindWriters {
		p := &person{addrs: []string{at[w%len(at)].at(clientPort)}, account: adminName, password: adminPassword}
		writers.Go(func() {
			defer p.leave()
			for n := 0; ctx.Err() == nil; n++ {
				c, err := p.at(ctx)
				if err != nil {
					pause(ctx, time.Second)
					continue
				}
				err = c.PutDialRule(ctx, fax.DialRule{Prefix: fmt.Sprintf("06%02d", w), Node: s.nodes[n%len(s.nodes)].name})
				mu.Lock()
				if err == nil {
					done++
				}
				enough := done >= count
				mu.Unlock()
				if enough {
					return
				}
			}
		})
	}
	writers.Wait()
	return done, nil
}

// Limits of hostile clients.
const (
	silentConnections = 500
	hostileTime       = 5 * time.Second
)

// hostile says to every port of a node what no client says, and nothing at all
// on many connections. The node's memory and its work are checked at the end.
func hostile(ctx context.Context, s *stage) (string, error) {
	n := s.any()
	ctx, cancel := context.WithTimeout(ctx, hostileTime)
	defer cancel()
	var all sync.WaitGroup
	seed := s.chance.Uint64()
	for i := range silentConnections {
		port := []int{clientPort, clusterPort}[i%2]
		all.Go(func() {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", n.at(port))
			if err != nil {
				return // refused, as it may be
			}
			defer c.Close()
			if i%4 > 1 {
				_, _ = c.Write(rubbish(seed + uint64(i)))
			}
			<-ctx.Done()
		})
	}
	all.Go(func() {
		c, err := net.Dial("udp", n.at(clusterPort))
		if err != nil {
			return
		}
		defer c.Close()
		for i := uint64(0); pause(ctx, time.Millisecond); i++ {
			_, _ = c.Write(rubbish(seed ^ i))
		}
	})
	all.Wait()
	return n.name, nil
}

// rubbish is octets that claim much, or mean nothing.
func rubbish(seed uint64) []byte {
	chance := rand.New(rand.NewPCG(seed, 0x68))
	noise := make([]byte, 1+chance.IntN(1300))
	for i := range noise {
		noise[i] = byte(chance.Uint32())
	}
	heads := [][]byte{nil, {0xdd, 0xff, 0xff, 0xff, 0xff}, {0xdf, 0xff, 0xff, 0xff, 0xff}, bytes.Repeat([]byte{0x91}, 1000),
		{0x16, 0x03, 0x01, 0xff, 0xff}, {0x16, 0x03, 0x03, 0x40, 0x00, 0x01, 0x00, 0xff, 0xff}, []byte("FAX1\x00\xff\xff\xff\xff")}
	return append(bytes.Clone(heads[chance.IntN(len(heads))]), noise...)
}
