package clientlib_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/clienttest"
	"github.com/faxmesh/faxmesh/clientlib/fax"
)

func TestAnotherClusterIsRefused(t *testing.T) {
	c := start(t, "north")
	trusted := clienttest.NewAuthority(t, "test").Fingerprint()
	_, err := clientlib.Dial(patience(t), c.Addrs(), clientlib.Options{Fingerprint: trusted})
	var untrusted *clientlib.UntrustedError
	if !errors.As(err, &untrusted) {
		t.Fatalf("error %v", err)
	}
	for _, part := range []string{trusted, c.Authority.Fingerprint(), c.Addrs()[0]} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not name %s", err, part)
		}
	}
}

func TestFirstUse(t *testing.T) {
	c := start(t, "north")
	var asked string
	client, err := clientlib.Dial(patience(t), c.Addrs(), clientlib.Options{OnFirstUse: func(f string) error {
		asked = f
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if asked != c.Authority.Fingerprint() || client.Fingerprint() != asked {
		t.Errorf("asked about %q, trusts %q", asked, client.Fingerprint())
	}
	no := errors.New("not mine")
	if _, err := clientlib.Dial(patience(t), c.Addrs(), clientlib.Options{OnFirstUse: func(string) error { return no }}); !errors.Is(err, no) {
		t.Errorf("error %v", err)
	}
	_, err = clientlib.Dial(patience(t), c.Addrs(), clientlib.Options{})
	wantKind(t, err, fax.Invalid)
	_, err = clientlib.Dial(patience(t), c.Addrs(), clientlib.Options{Fingerprint: "12:34"})
	wantKind(t, err, fax.Invalid)
}

func TestFingerprintsMayBeWrittenAsPeopleDo(t *testing.T) {
	c := start(t, "north")
	var parts []string
	f := strings.ToUpper(c.Authority.Fingerprint())
	for i := 0; i < len(f); i += 2 {
		parts = append(parts, f[i:i+2])
	}
	dial(t, c, clientlib.Options{Fingerprint: strings.Join(parts, ":")})
}

func TestNobodyAnswers(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	c := start(t, "north")
	_, err = clientlib.Dial(patience(t), []string{ln.Addr().String()}, clientlib.Options{Fingerprint: c.Authority.Fingerprint()})
	wantKind(t, err, fax.Unavailable)
	client, err := clientlib.Dial(patience(t), []string{ln.Addr().String(), c.Addrs()[0]}, clientlib.Options{Fingerprint: c.Authority.Fingerprint()})
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
}
