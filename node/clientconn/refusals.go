package clientconn

import (
	"log/slog"
	"net/netip"
	"sync"

	"golang.org/x/time/rate"
)

// Refused connections are logged, but a flood of them must not become a flood
// of the log.
const (
	refusalsPerSecond = 2
	refusalBurst      = 20
)

// refusals logs why connections are closed against the other side's will.
type refusals struct {
	log   *slog.Logger
	limit *rate.Limiter

	mu     sync.Mutex
	untold int
}

func newRefusals(log *slog.Logger) *refusals {
	return &refusals{log: log, limit: rate.NewLimiter(refusalsPerSecond, refusalBurst)}
}

func (r *refusals) note(peer netip.AddrPort, reason error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.limit.Allow() {
		r.untold++
		return
	}
	r.log.Warn("client connection closed", "peer", peer, "reason", reason, "others_not_logged", r.untold)
	r.untold = 0
}
