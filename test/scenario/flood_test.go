//go:build linux

package scenario

import (
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// noise is random octets at every door and every stage.
func noise(t *testing.T, n *node) {
	from := loopback(t, "strangers")
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 90 {
		junk := make([]byte, random.IntN(9000))
		for k := range junk {
			junk[k] = byte(random.Uint32())
		}
		var s *stranger
		switch i % 5 {
		case 0:
			s = meet(t, from, n.clients)
		case 1:
			s = meetTLS(t, from, n.clients)
		case 2:
			s = meetClient(t, from, n.clients)
			junk = frame(wire.REQ, 1, junk[:min(len(junk), wire.MaxEarlyPayload)])
		case 3:
			s = meet(t, from, n.clusters)
		case 4:
			s = meetTLS(t, from, n.clusters)
		}
		_, _ = s.Write(junk) // the node may be faster in closing
		_ = s.Close()
	}
}

// crowd: no address, and not all of them together, can fill a door with
// connections that wait for a login.
func crowd(t *testing.T, n *node) {
	for _, door := range []struct {
		what, addr string
		places     int
		log        string
	}{
		{"clients", n.clients, 64, "connections of this address wait for a login, which is the limit"},
		{"nodes", n.clusters, 32, "too many connections at once are not yet authenticated"},
	} {
		t.Run(door.what, func(t *testing.T) {
			from := loopback(t, "strangers")
			mark := n.proc.said.mark()
			gone := make(chan bool)
			const crowd = 200
			for range crowd {
				s := meet(t, from, door.addr)
				go func() {
					_ = s.SetReadDeadline(time.Now().Add(2 * time.Second)) // less than a handshake may take
					_, err := s.Read(make([]byte, 1))
					timeout, ok := err.(net.Error)
					gone <- !(ok && timeout.Timeout())
				}()
			}
			stayed := 0
			for range crowd {
				if !<-gone {
					stayed++
				}
			}
			if stayed > door.places || stayed == 0 {
				t.Errorf("%d of %d connections of one address stay, the limit is %d", stayed, crowd, door.places)
			}
			n.proc.said.await(t, mark, door.log, closeTime)
		})
	}
}
