//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// The simulated network: host n is 10.77.0.n.
const (
	outsideHost = 254 // clients, the telephone exchange
	netBits     = 24
)

func hostAddr(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 77, 0, byte(n)}) }

// host is a network namespace with one interface, whose other end is a port of
// the wire. It outlives the processes that run in it.
type host struct {
	addr  netip.Addr
	space *os.File // the namespace
}

// newHost makes a host and plugs it into the wire.
func newHost(n int, w *wire) (*host, error) {
	h := &host{addr: hostAddr(n)}
	done := make(chan error)
	go func() {
		// The thread has another network from here on: it is not given back.
		runtime.LockOSThread()
		done <- h.open(w)
	}()
	if err := <-done; err != nil {
		return nil, fmt.Errorf("make host %s: %w", h.addr, err)
	}
	return h, nil
}

func (h *host) open(w *wire) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	space, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	h.space = space
	return plugInto(h.addr, w)
}

// plugInto gives the network namespace of the calling thread an interface on
// the wire.
func plugInto(addr netip.Addr, w *wire) error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /dev/net/tun: %w", err)
	}
	ifr, err := unix.NewIfreq("wire0")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return fmt.Errorf("make the interface: %w", err)
	}
	if err := address("lo", netip.AddrFrom4([4]byte{127, 0, 0, 1}), 8); err != nil {
		return err
	}
	if err := address("wire0", addr, netBits); err != nil {
		return err
	}
	// Only now: a descriptor without an interface cannot be waited for.
	w.plug(addr, os.NewFile(uintptr(fd), "wire"))
	return nil
}

// address gives an interface its address and sets it up.
func address(name string, addr netip.Addr, bits int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	mask := net.CIDRMask(bits, 32)
	for _, step := range []struct {
		what  uint
		value []byte
	}{{unix.SIOCSIFADDR, addr.AsSlice()}, {unix.SIOCSIFNETMASK, mask}} {
		ifr, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		if err := ifr.SetInet4Addr(step.value); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(fd, step.what, ifr); err != nil {
			return fmt.Errorf("address %s of %s: %w", addr, name, err)
		}
	}
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

// start starts a process on the host.
func (h *host) start(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer own.Close()
	if err := unix.Setns(int(h.space.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("go to host %s: %w", h.addr, err)
	}
	started := cmd.Start()
	if err := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("come back from host %s: %w", h.addr, err) // the thread stays locked: it is of no use
	}
	runtime.UnlockOSThread()
	return started
}

// route is where a packet comes from and goes to, and what it carries.
type route struct {
	from, to netip.Addr
	protocol byte
}

// readRoute reads the head of an IPv4 packet (RFC 791).
func readRoute(packet []byte) (route, bool) {
	if len(packet) < 20 || packet[0]>>4 != 4 || int(binary.BigEndian.Uint16(packet[2:])) > len(packet) {
		return route{}, false
	}
	return route{
		from:     netip.AddrFrom4([4]byte(packet[12:16])),
		to:       netip.AddrFrom4([4]byte(packet[16:20])),
		protocol: packet[9],
	}, true
}
