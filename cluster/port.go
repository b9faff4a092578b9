package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/peer"
)

// bindTries bounds the search for a port number that is free for TCP and UDP,
// when any number will do.
const bindTries = 20

// openPort binds the cluster port and finds out under which address others
// reach it.
func (c *Cluster) openPort() error {
	listen := c.opt.PeerListen
	if listen == "" {
		listen = fmt.Sprintf(":%d", peer.Port)
	}
	cfg := peer.Config{Identity: c.id, Member: c.member, Stays: c.stays, Locate: c.book.locate, Logger: c.opt.Logger}
	p := &port{clientAddr: c.opt.ClientAddr}
	for try := 1; ; try++ {
		var err error
		if p.mux, err = peer.Listen(listen, cfg); err != nil {
			return fax.Errorf(fax.Unavailable, "the cluster port cannot be opened; is another program using it? %v", err)
		}
		p.udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(p.mux.Addr().AddrPort()))
		if err == nil {
			break
		}
		p.mux.Close()
		if _, number, _ := net.SplitHostPort(listen); number != "0" || try == bindTries {
			return fax.Errorf(fax.Unavailable, "the cluster port cannot be opened for UDP; is another program using it? %v", err)
		}
	}
	c.port = p
	c.life.opened(p.mux.Close)
	// The UDP socket belongs to gossip; until that runs it is closed here, and
	// closing it twice does no harm.
	c.life.opened(func() error { p.udp.Close(); return nil })
	p.advertise = c.opt.PeerAdvertise
	if p.advertise == "" {
		addr, err := reachable(p.mux.Addr().AddrPort())
		if err != nil {
			return err
		}
		p.advertise = addr.String()
	}
	udp, err := net.ResolveUDPAddr("udp", p.advertise)
	if err != nil || udp.IP == nil || udp.Port == 0 {
		return fax.Errorf(fax.Invalid, "the advertised cluster address %q is not host:port", p.advertise)
	}
	addr := udp.AddrPort()
	p.gossipAddr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	return nil
}

// reachable puts an address of this machine in the place of "all addresses".
func reachable(bound netip.AddrPort) (netip.AddrPort, error) {
	if !bound.Addr().IsUnspecified() {
		return netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port()), nil
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return bound, fmt.Errorf("list this machine's addresses: %w", err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap().IsGlobalUnicast() {
				return netip.AddrPortFrom(ip.Unmap(), bound.Port()), nil
			}
		}
	}
	return bound, fax.Errorf(fax.Invalid, "this machine has no address that other nodes could reach; say which one to advertise")
}

// raftStream gives Raft its connections.
type raftStream struct{ mux *peer.Mux }

func (s raftStream) Accept() (net.Conn, error) { return s.mux.Listener(peer.Raft).Accept() }
func (s raftStream) Close() error              { return s.mux.Listener(peer.Raft).Close() }

func (s raftStream) Dial(node string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return s.mux.Dial(ctx, node, peer.Raft)
}

// gossipStream gives gossip its connections.
type gossipStream struct {
	net.Listener
	mux *peer.Mux
}

func (s gossipStream) DialNode(ctx context.Context, node string) (net.Conn, error) {
	return s.mux.Dial(ctx, node, peer.Gossip)
}

// deaf is the Raft connections of a cluster of one that is being made.
type deaf struct{ done chan struct{} }

func (d deaf) Accept() (net.Conn, error) {
	<-d.done
	return nil, net.ErrClosed
}

func (d deaf) Close() error {
	select {
	case <-d.done:
	default:
		close(d.done)
	}
	return nil
}

func (d deaf) Dial(string, time.Duration) (net.Conn, error) {
	return nil, errors.New("there is no other node yet")
}
