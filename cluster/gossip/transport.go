package gossip

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"golang.org/x/time/rate"
)

// maxPacket is larger than any packet memberlist makes; what is longer is cut
// off and then fails to decrypt.
const maxPacket = 2048

// packetQueue is how many packets wait for memberlist; further ones are lost,
// as packets may be.
const packetQueue = 256

// transport gives memberlist its packets from a UDP port and its streams from
// the peer port.
type transport struct {
	cfg     Config
	packets chan *memberlist.Packet
	streams chan net.Conn
	done    chan struct{}
	once    sync.Once
	work    sync.WaitGroup
}

var _ memberlist.NodeAwareTransport = (*transport)(nil)

func newTransport(cfg Config) *transport {
	return &transport{
		cfg:     cfg,
		packets: make(chan *memberlist.Packet, packetQueue),
		streams: make(chan net.Conn),
		done:    make(chan struct{}),
	}
}

func (t *transport) start() {
	t.work.Go(t.receive)
	t.work.Go(t.accept)
}

func (t *transport) receive() {
	for {
		buf := make([]byte, maxPacket)
		n, from, err := t.cfg.Packets.ReadFromUDPAddrPort(buf)
		if err != nil {
			select {
			case <-t.done:
				return
			case <-time.After(10 * time.Millisecond): // as when a peer's port is closed: not ours to end
				continue
			}
		}
		select {
		case t.packets <- &memberlist.Packet{Buf: buf[:n], From: net.UDPAddrFromAddrPort(from), Timestamp: time.Now()}:
		default:
		}
	}
}

func (t *transport) accept() {
	for {
		conn, err := t.cfg.Streams.Accept()
		if err != nil {
			return
		}
		select {
		case t.streams <- conn:
		case <-t.done:
			conn.Close()
			return
		}
	}
}

func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	a := t.cfg.Advertise
	return a.Addr().Unmap().AsSlice(), int(a.Port()), nil
}

func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return time.Time{}, fmt.Errorf("send a packet: %w", err)
	}
	_, err = t.cfg.Packets.WriteToUDPAddrPort(b, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
	return time.Now(), err
}

func (t *transport) WriteToAddress(b []byte, addr memberlist.Address) (time.Time, error) {
	return t.WriteTo(b, addr.Addr)
}

func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }
func (t *transport) StreamCh() <-chan net.Conn           { return t.streams }

func (t *transport) DialTimeout(addr string, _ time.Duration) (net.Conn, error) {
	return nil, fmt.Errorf("dial %s: a node is dialled by its name", addr)
}

func (t *transport) DialAddressTimeout(addr memberlist.Address, timeout time.Duration) (net.Conn, error) {
	if addr.Name == "" {
		return t.DialTimeout(addr.Addr, timeout)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return t.cfg.Streams.DialNode(ctx, addr.Name)
}

func (t *transport) Shutdown() error {
	var err error
	t.once.Do(func() {
		close(t.done)
		if err = t.cfg.Packets.Close(); errors.Is(err, net.ErrClosed) {
			err = nil
		}
		err = errors.Join(err, t.cfg.Streams.Close())
		t.work.Wait()
	})
	return err
}

// newLogger turns memberlist's log into ours. What a stranger's packets can
// cause is limited in rate.
func newLogger(logger *slog.Logger) *log.Logger {
	return log.New(&logWriter{logger, rate.NewLimiter(rate.Every(time.Second), 10)}, "", 0)
}

type logWriter struct {
	logger *slog.Logger
	limit  *rate.Limiter
}

// Write takes one line, as "[WARN] memberlist: Refuting a suspect message".
func (w *logWriter) Write(line []byte) (int, error) {
	text, level := string(line), slog.LevelDebug
	for _, prefix := range prefixes {
		if rest, ok := strings.CutPrefix(text, prefix.text); ok {
			text, level = rest, prefix.level
		}
	}
	ctx := context.Background()
	if w.logger.Enabled(ctx, level) && (level < slog.LevelWarn || w.limit.Allow()) {
		text = strings.TrimPrefix(strings.TrimSpace(text), "memberlist: ")
		w.logger.Log(ctx, level, "gossip: "+text)
	}
	return len(line), nil
}

// prefixes are memberlist's levels. None of its errors is one of the node: it
// goes on, and what has failed is tried again.
var prefixes = [...]struct {
	text  string
	level slog.Level
}{
	{"[DEBUG]", slog.LevelDebug},
	{"[INFO]", slog.LevelDebug},
	{"[WARN]", slog.LevelWarn},
	{"[ERR]", slog.LevelWarn},
	{"[ERROR]", slog.LevelWarn},
}
