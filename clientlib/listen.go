package clientlib

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// certificateLife outlasts any session; its fingerprint is what counts.
const certificateLife = 366 * 24 * time.Hour

// Listener is the notification port of one client. It is bound when Listen
// returns, and answers when the client has logged in, nodes of its cluster
// that know the session's secret.
type Listener struct {
	ln          net.Listener
	certificate tls.Certificate
	fingerprint string
	advertise   uint16
	refusals    rate.Sometimes // in the log
	wg          sync.WaitGroup

	mu     sync.Mutex
	access *access // nil before a login
	conns  map[net.Conn]bool
	closed bool
}

// access is what a node must show, and who takes what it tells.
type access struct {
	fingerprint string // of the cluster's authority
	secret      string
	offer       func([]fax.Event, Via, string) []uint64
	log         *slog.Logger
}

// Listen binds the notification port as the settings say: the fixed one, the
// first free one of a range, or any. Nothing is guessed: two clients on one
// machine never get the same port.
func Listen(port settings.NotifyPort) (*Listener, error) {
	ln, err := bind(port)
	if err != nil {
		return nil, err
	}
	certificate, err := makeCertificate(time.Now())
	if err != nil {
		_ = ln.Close()
		return nil, err
	}
	l := &Listener{
		ln:          ln,
		certificate: certificate,
		fingerprint: wire.Fingerprint(certificate.Certificate[0]),
		refusals:    rate.Sometimes{First: 10, Interval: time.Second},
		conns:       map[net.Conn]bool{},
	}
	l.advertise = l.Port()
	if port.Advertise != 0 {
		l.advertise = port.Advertise
	}
	return l, nil
}

// Port is the bound port.
func (l *Listener) Port() uint16 {
	if tcp, ok := l.ln.Addr().(*net.TCPAddr); ok {
		return uint16(tcp.Port)
	}
	return 0
}

// Close frees the port and returns when all connections have ended.
func (l *Listener) Close() error {
	l.mu.Lock()
	l.closed = true
	for c := range l.conns {
		_ = c.Close()
	}
	l.mu.Unlock()
	err := l.ln.Close()
	l.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// callback is what a node is told at login.
func (l *Listener) callback() *fax.Callback {
	return &fax.Callback{Port: l.advertise, Fingerprint: l.fingerprint}
}

// bind binds the port or says what to do about it.
func bind(port settings.NotifyPort) (net.Listener, error) {
	for _, p := range []uint16{port.Fixed, port.Low, port.High, port.Advertise} {
		if p != 0 && p < wire.MinCallbackPort {
			return nil, fax.Errorf(fax.Invalid, "port %d is under %d, which nodes do not dial: choose a higher notification port", p, wire.MinCallbackPort)
		}
	}
	switch {
	case port.Fixed != 0:
		ln, err := bindOne(port.Fixed)
		if taken(err) {
			return nil, fmt.Errorf("%w: %w", fax.Errorf(fax.Conflict,
				"port %d, the fixed notification port, is in use: several clients on one machine, as on a terminal server, must use dynamic ports (USETCPDYNAMICPORT=1)", port.Fixed), err)
		}
		return ln, err
	case port.Low == 0 && port.High == 0:
		return bindOne(0)
	case port.Low > port.High:
		return nil, fax.Errorf(fax.Invalid, "the notification ports %d to %d are no range", port.Low, port.High)
	}
	for p := int(port.Low); p <= int(port.High); p++ {
		ln, err := bindOne(uint16(p))
		if err == nil || !taken(err) {
			return ln, err
		}
	}
	return nil, fax.Errorf(fax.Conflict, "none of the notification ports %d to %d is free: widen the range", port.Low, port.High)
}

func bindOne(port uint16) (net.Listener, error) {
	ln, err := net.Listen("tcp", ":"+strconv.Itoa(int(port)))
	if err != nil {
		return nil, fmt.Errorf("bind the notification port: %w", err)
	}
	return ln, nil
}

// taken reports whether another program has the port, or the system keeps it
// for one.
func taken(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES)
}

// makeCertificate makes the certificate of one session.
func makeCertificate(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a key for the notification port: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: "faxmesh notification port"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(certificateLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate for the notification port: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
