package peer

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// ServerName is the DNS name in every node's certificate. The certificate's
// authority and its URI say who a node is; this name is there for TLS
// libraries that will not do without one.
const ServerName = "node.faxmesh.internal"

const (
	authorityLife = 20 * 365 * 24 * time.Hour
	skew          = 24 * time.Hour // by how much a node's clock may be behind
	keyLen        = 32
	scheme        = "faxmesh"
)

// Identity is who a node is, and the secrets that all members share. Members
// are equals: each holds the authority's key, so that losing any one of them
// stops no other from joining, and each signs its own certificate anew. What
// lets a node in is that the members know its key. It is safe for concurrent
// use.
type Identity struct {
	Cluster    string
	Name       string
	GossipKey  []byte // 32 octets, of which the keys of gossip packets are made
	SessionKey []byte // 32 octets, signs clients' sessions

	ca     *x509.Certificate
	caKey  ed25519.PrivateKey
	caPool *x509.CertPool

	mu   sync.Mutex
	own  pair
	last *pair // that own has taken the place of; those who have not heard still ask for it
	next *pair // that will take the place of own once the members know it
}

// Found makes a new cluster of which name is the first node.
func Found(name string) (*Identity, error) {
	if err := fax.CheckName("node", name); err != nil {
		return nil, err
	}
	id := &Identity{Cluster: hex.EncodeToString(random(8)), Name: name, GossipKey: random(keyLen), SessionKey: random(keyLen)}
	id.caKey = ed25519.NewKeyFromSeed(random(ed25519.SeedSize))
	now := time.Now().Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber:          serial(id.caKey.Public().(ed25519.PublicKey), id.Cluster),
		Subject:               pkix.Name{CommonName: "faxmesh cluster " + id.Cluster},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		URIs:                  []*url.URL{{Scheme: scheme, Host: id.Cluster}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, id.caKey.Public(), id.caKey)
	if err != nil {
		return nil, fmt.Errorf("make the cluster's authority: %w", err)
	}
	if id.ca, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("read back the cluster's authority: %w", err)
	}
	if id.own, err = id.newPair(now); err != nil {
		return nil, err
	}
	return id, id.check()
}

// GossipKeyOf is the gossip key that members make of a salt; of none, that of
// the cluster's first day. Who has been removed from the cluster could make it,
// but does not hear of the salt.
func (id *Identity) GossipKeyOf(salt []byte) ([]byte, error) {
	if len(salt) == 0 {
		return id.GossipKey, nil
	}
	key, err := hkdf.Key(sha256.New, id.GossipKey, salt, "faxmesh gossip", keyLen)
	if err != nil {
		return nil, fmt.Errorf("make a gossip key: %w", err)
	}
	return key, nil
}

// random gives n octets; the system's generator does not fail.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// serial derives a serial number from what a certificate is for.
func serial(key ed25519.PublicKey, name string) *big.Int {
	sum := sha256.Sum256(append(append([]byte{}, key...), name...))
	sum[0] &= 0x7f
	return new(big.Int).SetBytes(sum[:16])
}

// sign makes a certificate that is good from now on.
func (id *Identity) sign(key ed25519.PublicKey, name string, now time.Time) (*x509.Certificate, error) {
	if id.caKey == nil {
		return nil, errors.New("this node does not hold the authority's key")
	}
	now = now.Truncate(time.Second)
	end := now.Add(certificateLife)
	if end.After(id.ca.NotAfter) {
		end = id.ca.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial(key, name+now.String()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-skew),
		NotAfter:     end,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:     []string{ServerName, "*." + ServerName},
		URIs:         []*url.URL{{Scheme: scheme, Host: id.Cluster, Path: "/node/" + name}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, id.ca, key, id.caKey)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate for node %s: %w", name, err)
	}
	return x509.ParseCertificate(der)
}

// Admit answers a certificate request (PKCS #10, DER) of a node that joins,
// with its certificate. Only the public key is taken from the request.
func (id *Identity) Admit(request []byte, name string) (*x509.Certificate, error) {
	if err := fax.CheckName("node", name); err != nil {
		return nil, err
	}
	csr, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return nil, fmt.Errorf("read the certificate request: %w", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("check the certificate request: %w", err)
	}
	key, ok := csr.PublicKey.(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("the certificate request is not for an Ed25519 key")
	}
	return id.sign(key, name, time.Now())
}

// check says whether the parts fit together. A certificate that has ended is
// no fault: the node signs itself another.
func (id *Identity) check() error {
	id.caPool = x509.NewCertPool()
	id.caPool.AddCert(id.ca)
	cluster, name, err := nodeOf(id.own.leaf)
	if err != nil {
		return err
	}
	switch {
	case !id.own.fits():
		return fmt.Errorf("the key in %s is not that of its certificate", nodeFile)
	case id.caKey != nil && !id.caKey.Public().(ed25519.PublicKey).Equal(id.ca.PublicKey):
		return errors.New("ca.key is not the key of ca.crt")
	case cluster != id.Cluster || name != id.Name:
		return fmt.Errorf("the certificate is for node %s of cluster %s, not node %s of cluster %s", name, cluster, id.Name, id.Cluster)
	case len(id.GossipKey) != keyLen || len(id.SessionKey) != keyLen:
		return errors.New("the cluster's secrets are incomplete")
	}
	if err := id.own.leaf.CheckSignatureFrom(id.ca); err != nil {
		return fmt.Errorf("the certificate is not of this cluster's authority: %w", err)
	}
	return nil
}

// nodeOf reads cluster and node name out of a certificate.
func nodeOf(cert *x509.Certificate) (cluster, name string, err error) {
	if len(cert.URIs) != 1 || cert.URIs[0].Scheme != scheme {
		return "", "", errors.New("the certificate names no faxmesh node")
	}
	name, ok := strings.CutPrefix(cert.URIs[0].Path, "/node/")
	if !ok || fax.CheckName("node", name) != nil {
		return "", "", errors.New("the certificate names no faxmesh node")
	}
	return cert.URIs[0].Host, name, nil
}

// Authority is the SHA-256 of the authority's certificate.
func (id *Identity) Authority() [sha256.Size]byte { return sha256.Sum256(id.ca.Raw) }

// Pool holds the cluster's authority.
func (id *Identity) Pool() *x509.CertPool { return id.caPool }
