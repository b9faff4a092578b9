package clientconn

import (
	"fmt"
	"net/netip"
	"sync"
)

// Limits bound what the door holds open. Zero values stand for the defaults.
type Limits struct {
	PerAddress int // connections of one address that have not logged in
	Unknown    int // connections that have not logged in, of all addresses
	Known      int // sessions
}

// The defaults. PerAddress does not count who has logged in: a terminal server
// has many clients behind one address.
const (
	DefaultPerAddress = 64
	DefaultUnknown    = 1000
	DefaultKnown      = 20_000
)

func (l Limits) withDefaults() Limits {
	if l.PerAddress == 0 {
		l.PerAddress = DefaultPerAddress
	}
	if l.Unknown == 0 {
		l.Unknown = DefaultUnknown
	}
	if l.Known == 0 {
		l.Known = DefaultKnown
	}
	return l
}

// admission counts connections.
type admission struct {
	limits Limits

	mu      sync.Mutex
	strange map[netip.Prefix]int // not logged in, by address
	unknown int
	known   int
}

func newAdmission(l Limits) *admission {
	return &admission{limits: l.withDefaults(), strange: map[netip.Prefix]int{}}
}

// enter counts a new connection, or says why there is no room for it.
func (a *admission) enter(addr netip.Addr) error {
	who := neighbourhood(addr)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.unknown >= a.limits.Unknown:
		return fmt.Errorf("%d connections wait for a login, which is the limit", a.unknown)
	case a.strange[who] >= a.limits.PerAddress:
		return fmt.Errorf("%d connections of this address wait for a login, which is the limit", a.strange[who])
	}
	a.strange[who]++
	a.unknown++
	return nil
}

// leave forgets a connection that has not logged in.
func (a *admission) leave(addr netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leaveLocked(neighbourhood(addr))
}

func (a *admission) leaveLocked(who netip.Prefix) {
	a.unknown--
	if a.strange[who]--; a.strange[who] <= 0 {
		delete(a.strange, who)
	}
}

// full reports whether there are as many sessions as there may be. Logins
// under way at once may pass it by their number, which Unknown bounds.
func (a *admission) full() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known >= a.limits.Known
}

// promote counts a connection as a session from now on.
func (a *admission) promote(addr netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known++
	a.leaveLocked(neighbourhood(addr))
}

// retire forgets a session.
func (a *admission) retire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known--
}

// neighbourhood is what counts as one address: with IPv6 a host has a whole
// /64 to come from.
func neighbourhood(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil { // the zero address: all such count together
		return netip.Prefix{}
	}
	return p
}
