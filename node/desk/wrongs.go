package desk

import (
	"net/netip"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Limits on wrong passwords. After the free ones each doubles the time for
// which no password is tried at all. An account's time stays short, because
// strangers could else lock people out; an address may be a terminal server
// with many people behind it, and has more free tries.
const (
	freeOfAccount = 5
	freeOfAddress = 20
	mostOfAccount = 30 * time.Second
	mostOfAddress = 10 * time.Minute
	firstDelay    = time.Second
	forgetAfter   = time.Hour
	MaxWrongs     = 20_000 // accounts and addresses that are remembered
)

// wrongs remembers wrong passwords by account and by address.
type wrongs struct {
	mu  sync.Mutex
	who map[string]wrong
}

type wrong struct {
	times int
	last  time.Time
	until time.Time
}

func newWrongs() *wrongs { return &wrongs{who: make(map[string]wrong)} }

func accountKey(name string) string { return "account " + fax.Fold(name) }

// addressKey takes the /64 of an IPv6 address: that is what one customer has.
func addressKey(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return "address " + p.String()
		}
	}
	return "address " + addr.String()
}

// blocked says how long no password is tried for the account or from the
// address.
func (w *wrongs) blocked(account string, addr netip.Addr, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(w.who[accountKey(account)].until.Sub(now), w.who[addressKey(addr)].until.Sub(now), 0)
}

// blockedKey and addKey are for an account alone.
func (w *wrongs) blockedKey(key string, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.who[key].until.Sub(now)
}

func (w *wrongs) addKey(key string, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addLocked(key, freeOfAccount, mostOfAccount, now)
}

func (w *wrongs) add(account string, addr netip.Addr, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addLocked(accountKey(account), freeOfAccount, mostOfAccount, now)
	w.addLocked(addressKey(addr), freeOfAddress, mostOfAddress, now)
}

func (w *wrongs) addLocked(key string, free int, most time.Duration, now time.Time) {
	x, known := w.who[key]
	if !known && len(w.who) >= MaxWrongs {
		w.makeRoomLocked(now)
	}
	if now.Sub(x.last) > forgetAfter {
		x = wrong{}
	}
	x.times++
	x.last = now
	if over := x.times - free; over > 0 {
		x.until = now.Add(min(firstDelay<<min(over-1, 20), most))
	}
	w.who[key] = x
}

// makeRoomLocked forgets what is old, and if that is not enough what does not
// block anyone, and then anything. It makes room for many, so that a flood of
// names does not pay for it each time.
func (w *wrongs) makeRoomLocked(now time.Time) {
	for _, old := range []func(wrong) bool{
		func(x wrong) bool { return now.Sub(x.last) > forgetAfter },
		func(x wrong) bool { return !x.until.After(now) },
		func(wrong) bool { return true },
	} {
		for key, x := range w.who {
			if len(w.who) < MaxWrongs*7/8 {
				return
			}
			if old(x) {
				delete(w.who, key)
			}
		}
	}
}

// right forgets the account's wrong passwords. Those of the address stay: one
// valid account must not buy tries for others.
func (w *wrongs) right(account string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.who, accountKey(account))
}
