package clientlib_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/clienttest"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

func TestTwoClientsNeverShareAPort(t *testing.T) {
	one, two := listen(t), listen(t)
	if one.Port() == two.Port() || one.Port() < 20100 || two.Port() > 20400 {
		t.Errorf("ports %d and %d", one.Port(), two.Port())
	}
	_, err := clientlib.Listen(settings.NotifyPort{Fixed: one.Port()})
	wantKind(t, err, fax.Conflict)
	if !strings.Contains(err.Error(), "dynamic") || !strings.Contains(err.Error(), strconv.Itoa(int(one.Port()))) {
		t.Errorf("%q does not say what to do", err)
	}
	_, err = clientlib.Listen(settings.NotifyPort{Low: one.Port(), High: one.Port()})
	wantKind(t, err, fax.Conflict)
	for _, p := range []settings.NotifyPort{{Fixed: 1023}, {Low: 80, High: 2000}, {Fixed: 7485, Advertise: 25}, {Low: 3000, High: 2000}} {
		_, err = clientlib.Listen(p)
		wantKind(t, err, fax.Invalid)
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := clientlib.Listen(settings.NotifyPort{Fixed: one.Port()})
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	free, err := clientlib.Listen(settings.NotifyPort{})
	if err != nil || free.Port() == 0 {
		t.Fatalf("any port: %v", err)
	}
	free.Close()
}

// caller is somebody at the notification port of a logged-in client.
type caller struct {
	cluster *clienttest.Cluster
	client  *clientlib.Client
	addr    netip.AddrPort
	cb      fax.Callback
}

func newCaller(t *testing.T) caller {
	t.Helper()
	c := start(t, "north")
	client := login(t, c, "reception", clientlib.Options{Listener: listen(t)})
	addr, cb, ok := c.Desk.Callback(client.Session().ID)
	if !ok {
		t.Fatal("no callback")
	}
	return caller{c, client, addr, cb}
}

func (c caller) call(t *testing.T, certificate tls.Certificate, secret string) error {
	t.Helper()
	conn, err := net.Dial("tcp", c.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	link, err := wire.Call(patience(t), conn, wire.CallbackTLS(certificate, c.cb.Fingerprint), wire.Hello{Secret: secret, Node: "north"})
	if err == nil {
		link.Close()
	}
	return err
}

func TestStrangersAreNotHeard(t *testing.T) {
	c := newCaller(t)
	secret := c.client.Session().Secret
	a := c.cluster.Authority
	if err := c.call(t, a.Node(t, "north"), secret); err != nil {
		t.Fatalf("the node itself: %v", err)
	}
	other := clienttest.NewAuthority(t, "test")
	mixed := other.Node(t, "north") // another authority's, with the right one shown behind it
	mixed.Certificate[1] = a.Node(t, "x").Certificate[1]
	for name, try := range map[string]struct {
		certificate tls.Certificate
		secret      string
	}{
		"wrong secret":       {a.Node(t, "north"), secret + "x"},
		"other authority":    {other.Node(t, "north"), secret},
		"forged chain":       {mixed, secret},
		"no role":            {a.Issue(t, nil), secret},
		"another role":       {a.Issue(t, &url.URL{Scheme: "faxmesh", Host: "test", Path: "/client/north"}), secret},
		"no certificate":     {tls.Certificate{}, secret},
		"authority not sent": {tls.Certificate{Certificate: a.Node(t, "n").Certificate[:1], PrivateKey: a.Node(t, "n").PrivateKey}, secret},
	} {
		if err := c.call(t, try.certificate, try.secret); err == nil {
			t.Errorf("%s: let in", name)
		}
	}
	if err := c.call(t, a.Node(t, "north"), secret); err != nil {
		t.Errorf("the node itself, afterwards: %v", err)
	}
}

// TestNothingIsSaidBeforeTheSecret reads what a caller without it gets.
func TestNothingIsSaidBeforeTheSecret(t *testing.T) {
	c := newCaller(t)
	for _, bytes := range []string{"", "GET / HTTP/1.0\r\n\r\n", "FAX1\x01\x01\x00\x00", "FAX1\x01\x01\x00\x00\x00\x00\x00\x01\x04\x00\x00\x00\x00\x00\x80",
		"FAX1\x01\x01\x00\x00\xff\xff\xff\xff\x0b\x00\x00\x00\x00\x00"} {
		raw, err := net.Dial("tcp", c.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		secure := tls.Client(raw, wire.CallbackTLS(c.cluster.Authority.Node(t, "north"), c.cb.Fingerprint))
		if _, err := io.WriteString(secure, bytes); err != nil {
			t.Fatal(err)
		}
		_ = secure.CloseWrite()
		_ = raw.SetReadDeadline(time.Now().Add(10 * time.Second))
		if got, err := io.ReadAll(secure); len(got) != 0 {
			t.Errorf("after %q the listener said %q, %v", bytes, got, err)
		}
		raw.Close()
	}
}
