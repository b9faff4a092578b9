package exchange

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits of a plug from another process.
const (
	maxPlugs       = 256
	maxPreface     = 128             // octets of a line of the preface
	prefaceTimeout = 5 * time.Second // for the whole preface, wall time
)

// The preface, in lines that end in CR LF. The exchange speaks first:
//
//	faxmesh simulated exchange, speed 20
//	PLUG 0301
//	OK simulated line 0301
//
// or REFUSED and why. Behind OK follows the AT stream of the modem.
const (
	greeting = "faxmesh simulated exchange, speed "
	plugWord = "PLUG "
	okWord   = "OK simulated line "
	refused  = "REFUSED "
)

// ErrNotExchange: what answers at the address is no simulated exchange.
var ErrNotExchange = errors.New("no simulated exchange answers there")

// Serve lets other processes plug modems into x over ln, one for each
// connection; the modem is unplugged when the connection ends. It returns when
// ctx is done or ln fails, after all connections have ended. It is meant for
// loopback: who can connect can dial.
func Serve(ctx context.Context, ln net.Listener, x *Exchange) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	slots := make(chan struct{}, maxPlugs)
	for {
		conn, err := ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("simulated exchange: accept: %w", err)
		}
		select {
		case slots <- struct{}{}:
		default:
			conn.Close()
			continue
		}
		conns.Go(func() {
			defer func() { <-slots }()
			if err := x.serveConn(ctx, conn); err != nil {
				x.cfg.Log.Warn("simulated exchange: plug failed", "peer", conn.RemoteAddr().String(), "err", err)
			}
		})
	}
}

// serveConn speaks the preface, then joins the connection and a modem's port.
func (x *Exchange) serveConn(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetDeadline(time.Now().Add(prefaceTimeout))
	if _, err := fmt.Fprintf(conn, "%s%g\r\n", greeting, x.Speed()); err != nil {
		return err
	}
	r := bufio.NewReaderSize(conn, maxPreface)
	line, err := prefaceLine(r)
	if err != nil {
		return err
	}
	number, ok := strings.CutPrefix(line, plugWord)
	if !ok {
		fmt.Fprintf(conn, "%ssay PLUG and a number\r\n", refused)
		return fmt.Errorf("%.40q is not %sNUMBER", line, plugWord)
	}
	port, err := x.Plug(number)
	if err != nil {
		fmt.Fprintf(conn, "%s%v\r\n", refused, err)
		return err
	}
	defer port.Close()
	if _, err := fmt.Fprintf(conn, "%s%s\r\n", okWord, number); err != nil {
		return err
	}
	conn.SetDeadline(time.Time{})
	var out sync.WaitGroup
	out.Go(func() {
		io.Copy(conn, port)
		conn.Close() // the modem was unplugged here: end the other copy too
	})
	io.Copy(port, r) // to the end of the connection, however it ends
	port.Close()
	out.Wait()
	return nil
}

// RemotePort is the port of a modem in another process's exchange.
type RemotePort struct {
	net.Conn
	r     *bufio.Reader
	speed float64
}

// Read reads what the modem says.
func (p *RemotePort) Read(b []byte) (int, error) { return p.r.Read(b) }

// Speed is the number of seconds of line time in one of wall time.
func (p *RemotePort) Speed() float64 { return p.speed }

// DialPort plugs a modem under number into the exchange that Serve offers at
// addr.
func DialPort(ctx context.Context, addr, number string) (*RemotePort, error) {
	if !validNumber(number) {
		return nil, fmt.Errorf("%w: %.50q", ErrNumber, number)
	}
	ctx, cancel := context.WithTimeout(ctx, prefaceTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("simulated exchange: %w", err)
	}
	p := &RemotePort{Conn: conn, r: bufio.NewReaderSize(conn, 4096)}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err = p.plug(number)
	if !stop() {
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("simulated exchange at %s: %w", addr, err)
	}
	return p, nil
}

func (p *RemotePort) plug(number string) error {
	line, err := prefaceLine(p.r)
	if err != nil {
		return err
	}
	text, ok := strings.CutPrefix(line, greeting)
	if !ok {
		return fmt.Errorf("%w: it says %.40q", ErrNotExchange, line)
	}
	if p.speed, err = strconv.ParseFloat(text, 64); err != nil || !(p.speed > 0) {
		return fmt.Errorf("%w: its speed is %.20q", ErrNotExchange, text)
	}
	if _, err := fmt.Fprintf(p.Conn, "%s%s\r\n", plugWord, number); err != nil {
		return err
	}
	if line, err = prefaceLine(p.r); err != nil {
		return err
	}
	if why, no := strings.CutPrefix(line, refused); no {
		return errors.New(why)
	}
	if line != okWord+number {
		return fmt.Errorf("%w: it says %.40q", ErrNotExchange, line)
	}
	return nil
}

// prefaceLine reads one line without taking anything behind it from r.
func prefaceLine(r *bufio.Reader) (string, error) {
	var line []byte
	for len(line) < maxPreface {
		b, err := r.ReadByte()
		if err != nil {
			return "", err
		}
		if b == '\n' {
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		line = append(line, b)
	}
	return "", fmt.Errorf("%w: its line is too long", ErrNotExchange)
}
