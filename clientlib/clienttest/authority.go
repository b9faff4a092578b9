package clienttest

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// Authority is a cluster's certificate authority.
type Authority struct {
	Cluster string
	key     ed25519.PrivateKey
	cert    *x509.Certificate
}

// NewAuthority makes an authority for a cluster of that id.
func NewAuthority(t testing.TB, cluster string) *Authority {
	t.Helper()
	a := &Authority{Cluster: cluster, key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "faxmesh cluster " + cluster},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Fingerprint is what clients pin.
func (a *Authority) Fingerprint() string { return wire.Fingerprint(a.cert.Raw) }

// Node makes the certificate of a node, with the authority's behind it.
func (a *Authority) Node(t testing.TB, name string) tls.Certificate {
	t.Helper()
	return a.Issue(t, &url.URL{Scheme: "faxmesh", Host: a.Cluster, Path: "/node/" + name})
}

// Issue makes a certificate with a role of any kind, nil for none.
func (a *Authority) Issue(t testing.TB, role *url.URL) tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if role != nil {
		template.URIs = []*url.URL{role}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
