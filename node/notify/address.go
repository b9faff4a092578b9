package notify

import (
	"fmt"
	"net/netip"
)

// LowestPort is the lowest notification port that is dialled: those below are
// the system's services, which a node must not be made to dial (RFC 2577
// clause 3).
const LowestPort = 1024

// CheckAddress says why addr must not be dialled. near says that the session's
// home, which saw the client come from addr, is on this very machine: only then
// does a loopback or link-local address mean the same machine to both.
func CheckAddress(addr netip.AddrPort, near bool) error {
	ip := addr.Addr().Unmap()
	switch {
	case !addr.IsValid():
		return fmt.Errorf("the client has no address")
	case addr.Port() < LowestPort:
		return fmt.Errorf("port %d is under %d and never dialled", addr.Port(), LowestPort)
	case ip.IsUnspecified(), ip.IsMulticast(), ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("%s is no address of a single machine", ip)
	case (ip.IsLoopback() || ip.IsLinkLocalUnicast()) && !near:
		return fmt.Errorf("%s means another machine here than at the session's home", ip)
	}
	return nil
}
