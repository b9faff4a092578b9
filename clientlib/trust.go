package clientlib

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// UntrustedError says that a machine shows the certificate of another cluster
// than the one this client trusts. Nothing was sent to it.
type UntrustedError struct {
	Addr    string
	Shown   string // fingerprint of the cluster authority that it shows
	Trusted string // fingerprint that was expected
}

func (e *UntrustedError) Error() string {
	return fmt.Sprintf("%s belongs to another cluster: its authority has the fingerprint %s, trusted is %s; if the cluster was made anew, remove the old fingerprint and log in again",
		e.Addr, e.Shown, e.Trusted)
}

// normalFingerprint accepts the ways in which people write a fingerprint.
func normalFingerprint(s string) (string, error) {
	s = strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(s))
	if s != "" && (len(s) != 64 || strings.Trim(s, "0123456789abcdef") != "") {
		return "", fax.Errorf(fax.Invalid, "the fingerprint %q is not 64 hexadecimal digits: take it from the administrator or the first login", s)
	}
	return s, nil
}

// authority is the fingerprint of the cluster's CA, as a node shows it behind
// its own certificate.
func authority(certs []*x509.Certificate) (*x509.Certificate, error) {
	if len(certs) < 2 {
		return nil, errors.New("the other side shows no cluster authority: it is no faxmesh node")
	}
	ca := certs[len(certs)-1]
	if !ca.IsCA || !ca.BasicConstraintsValid {
		return nil, errors.New("the last certificate is no cluster authority: the other side is no faxmesh node")
	}
	return ca, nil
}

// checkNode verifies that the chain is a node's, of the authority with that
// fingerprint, and returns the node's name. The role is in the certificate's
// URI, faxmesh://CLUSTER/node/NAME; host names do not matter, because nodes
// are reached under many.
func checkNode(addr string, certs []*x509.Certificate, fingerprint string) (string, error) {
	ca, err := authority(certs)
	if err != nil {
		return "", fmt.Errorf("%s: %w", addr, err)
	}
	if shown := wire.Fingerprint(ca.Raw); shown != fingerprint {
		return "", &UntrustedError{Addr: addr, Shown: shown, Trusted: fingerprint}
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	if _, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return "", fmt.Errorf("the certificate of %s: %w", addr, err)
	}
	name, ok := nodeName(certs[0])
	if !ok {
		return "", fmt.Errorf("the certificate of %s is not a node's", addr)
	}
	return name, nil
}

func nodeName(cert *x509.Certificate) (string, bool) {
	if cert.IsCA || len(cert.URIs) != 1 || cert.URIs[0].Scheme != "faxmesh" {
		return "", false
	}
	name, ok := strings.CutPrefix(cert.URIs[0].Path, "/node/")
	return name, ok && fax.CheckName("node", name) == nil
}

// dialTLS is how a client meets a node of the cluster it trusts. With an empty
// fingerprint whoever answers is accepted, to look at the fingerprint and no
// more.
func dialTLS(addr, fingerprint string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // VerifyConnection does it, against the pinned authority
		VerifyConnection: func(cs tls.ConnectionState) error {
			if fingerprint == "" {
				_, err := authority(cs.PeerCertificates)
				return err
			}
			_, err := checkNode(addr, cs.PeerCertificates, fingerprint)
			return err
		},
	}
}
