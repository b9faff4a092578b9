package cluster

import (
	"net"
	"net/netip"
	"sync"

	"golang.org/x/time/rate"
)

// Limits of guessing join tokens. A guess is hopeless, for a secret has 128
// bits; the limits are there so that trying costs the cluster little.
const (
	guessesHere  = 10   // wrong tries allowed in a burst from one address
	guessesAll   = 100  // and from all
	guessEvery   = 1.0  // and so many more from one address in a second
	guessEveryIn = 10.0 // and from all
	maxGuessers  = 1024 // addresses that are remembered
	guessNotes   = 10   // entries of the activity record in a burst
	guessNoted   = 0.1  // and so many more in a second
)

// guessing counts the tries to join that were wrong. Those that are right cost
// nothing: many nodes may join at once. It is safe for concurrent use.
type guessing struct {
	mu    sync.Mutex
	from  map[netip.Prefix]*rate.Limiter
	all   *rate.Limiter
	notes *rate.Limiter
}

func newGuessing() *guessing {
	return &guessing{
		from:  map[netip.Prefix]*rate.Limiter{},
		all:   rate.NewLimiter(guessEveryIn, guessesAll),
		notes: rate.NewLimiter(guessNoted, guessNotes),
	}
}

// origin is what counts as one address: of IPv6, what one line has.
func origin(addr net.Addr) netip.Prefix {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // bits fit the address
	return p
}

// may says whether an address may try.
func (g *guessing) may(from netip.Prefix) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	own := g.from[from]
	return g.all.Tokens() >= 1 && (own == nil || own.Tokens() >= 1)
}

// wrong counts a wrong try and says whether it is to be put on record.
func (g *guessing) wrong(from netip.Prefix) (note bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	own := g.from[from]
	if own == nil {
		if len(g.from) >= maxGuessers {
			g.forget()
		}
		own = rate.NewLimiter(guessEvery, guessesHere)
		g.from[from] = own
	}
	own.Allow()
	g.all.Allow()
	return g.notes.Allow()
}

// forget makes room: those who have not tried for some time go, or else
// anybody; all together are limited anyhow.
func (g *guessing) forget() {
	for from, l := range g.from {
		if l.Tokens() >= guessesHere {
			delete(g.from, from)
		}
	}
	for from := range g.from {
		if len(g.from) < maxGuessers {
			return
		}
		delete(g.from, from)
	}
}
