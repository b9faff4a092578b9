//go:build linux

package main

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Limits of the wire.
const (
	maxPacket = 2048 // octets; the hosts send at most 1500
	maxOnLink = 1024 // packets under way one way between two hosts; more are lost
)

// Protocols (RFC 790).
const (
	protocolTCP = 6
	protocolUDP = 17
)

// condition is what happens to what goes one way between two hosts. The zero
// value is a good line.
type condition struct {
	cut    bool
	noTCP  bool
	noUDP  bool
	loss   float64 // part of the packets
	delay  time.Duration
	jitter time.Duration // at most this much more or less
	rate   int           // bit/s; 0: no limit
}

type link struct{ from, to netip.Addr }

// wire is the network between the hosts.
type wire struct {
	mu     sync.Mutex
	ports  map[netip.Addr]*os.File
	links  map[link]*lane
	chance *rand.Rand
}

// lane is one way between two hosts.
type lane struct {
	condition
	free  time.Time // when the last packet has gone out, at rate
	last  time.Time // when it arrives
	queue chan late // made with the first packet that is late
}

// late is a packet that arrives later.
type late struct {
	at     time.Time
	packet []byte
}

func newWire(seed uint64) *wire {
	return &wire{ports: map[netip.Addr]*os.File{}, links: map[link]*lane{}, chance: rand.New(rand.NewPCG(seed, 0x77697265))}
}

// plug connects a host.
func (w *wire) plug(addr netip.Addr, end *os.File) {
	w.mu.Lock()
	w.ports[addr] = end
	w.mu.Unlock()
	go func() {
		buffer := make([]byte, maxPacket)
		for {
			n, err := end.Read(buffer)
			if err != nil {
				return // closed
			}
			if r, ok := readRoute(buffer[:n]); ok {
				w.carry(r, buffer[:n])
			}
		}
	}()
}

// set changes what happens one way between two hosts.
func (w *wire) set(from, to netip.Addr, change func(*condition)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.laneLocked(link{from, to}).condition)
}

// heal makes every line a good one.
func (w *wire) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.links {
		l.condition = condition{}
	}
}

func (w *wire) laneLocked(k link) *lane {
	l := w.links[k]
	if l == nil {
		l = &lane{}
		w.links[k] = l
	}
	return l
}

// carry brings a packet to its host, or loses it. The packet is the caller's.
func (w *wire) carry(r route, packet []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	end := w.ports[r.to]
	if end == nil {
		return
	}
	l := w.laneLocked(link{r.from, r.to})
	if l.cut || l.noTCP && r.protocol == protocolTCP || l.noUDP && r.protocol == protocolUDP || l.loss > 0 && w.chance.Float64() < l.loss {
		return
	}
	now := time.Now()
	at := l.arrival(now, len(packet), w.chance)
	if !at.After(now) {
		_, _ = end.Write(packet) // a host that takes nothing loses it
		return
	}
	if l.queue == nil {
		l.queue = make(chan late, maxOnLink)
		go deliver(l.queue, end)
	}
	select {
	case l.queue <- late{at, append([]byte(nil), packet...)}:
	default:
	}
}

// arrival is when a packet of so many octets that is sent now arrives. Packets
// do not overtake each other.
func (l *lane) arrival(now time.Time, octets int, chance *rand.Rand) time.Time {
	at := now
	if l.rate > 0 {
		if l.free.Before(now) {
			l.free = now
		}
		l.free = l.free.Add(time.Duration(octets*8) * time.Second / time.Duration(l.rate))
		at = l.free
	}
	if l.delay > 0 {
		at = at.Add(l.delay)
		if l.jitter > 0 {
			at = at.Add(time.Duration(chance.Int64N(2*int64(l.jitter))) - l.jitter)
		}
	}
	if at.Before(l.last) {
		at = l.last
	}
	if at.After(now) {
		l.last = at
	}
	return at
}

func deliver(queue <-chan late, end *os.File) {
	for p := range queue {
		time.Sleep(time.Until(p.at)) // this is the line's delay
		_, _ = end.Write(p.packet)
	}
}
