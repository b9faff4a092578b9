package peer

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/faxmesh/faxmesh/cluster/durable"
)

// The files of an identity. All are readable by their owner alone.
const (
	nodeFile    = "node.pem" // key and certificate; a node that joins has the key alone
	nextFile    = "next.pem"
	lastFile    = "last.pem"
	caCertFile  = "ca.crt"
	caKeyFile   = "ca.key"
	secretsFile = "secrets.json"
	filesMode   = 0o600
	pemCert     = "CERTIFICATE"
	pemKey      = "PRIVATE KEY"
)

// secrets is what secretsFile holds.
type secrets struct {
	Cluster    string `json:"cluster"`
	Name       string `json:"name"`
	GossipKey  []byte `json:"gossip_key"`
	SessionKey []byte `json:"session_key"`
}

// Save writes the identity into dir, which exists. It is on disk when Save
// returns.
func (id *Identity) Save(dir string) error {
	s, err := json.Marshal(secrets{id.Cluster, id.Name, id.GossipKey, id.SessionKey})
	if err != nil {
		return fmt.Errorf("encode the cluster's secrets: %w", err)
	}
	own, err := id.current().encode()
	if err != nil {
		return err
	}
	caKey, err := encodeKey(id.caKey)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{
		{nodeFile, own},
		{caKeyFile, caKey},
		{caCertFile, pem.EncodeToMemory(&pem.Block{Type: pemCert, Bytes: id.ca.Raw})},
		{secretsFile, s},
	} {
		if err := durable.WriteFile(filepath.Join(dir, f.name), f.data, filesMode); err != nil {
			return fmt.Errorf("save the node's identity: %w", err)
		}
	}
	return nil
}

// Load reads an identity that Save wrote.
func Load(dir string) (*Identity, error) {
	id, err := load(dir)
	if err != nil {
		return nil, fmt.Errorf("load the node's identity from %s: %w", dir, err)
	}
	return id, nil
}

func load(dir string) (*Identity, error) {
	data, err := os.ReadFile(filepath.Join(dir, secretsFile))
	if err != nil {
		return nil, err
	}
	var s secrets
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%s: %w", secretsFile, err)
	}
	id := &Identity{Cluster: s.Cluster, Name: s.Name, GossipKey: s.GossipKey, SessionKey: s.SessionKey}
	if id.own, err = readPair(filepath.Join(dir, nodeFile)); err != nil {
		return nil, err
	}
	if id.caKey, err = readKey(filepath.Join(dir, caKeyFile)); err != nil {
		return nil, err
	}
	if id.ca, err = readCert(filepath.Join(dir, caCertFile)); err != nil {
		return nil, err
	}
	if err := id.check(); err != nil {
		return nil, err
	}
	return id, id.loadOthers(dir)
}

func (p pair) encode() ([]byte, error) {
	key, err := encodeKey(p.key)
	return append(key, pem.EncodeToMemory(&pem.Block{Type: pemCert, Bytes: p.leaf.Raw})...), err
}

func (p pair) save(path string) error {
	data, err := p.encode()
	if err != nil {
		return err
	}
	if err := durable.WriteFile(path, data, filesMode); err != nil {
		return fmt.Errorf("save the node's key: %w", err)
	}
	return nil
}

func readPair(path string) (p pair, err error) {
	if p.key, err = readKey(path); err != nil {
		return p, err
	}
	if p.leaf, err = readCert(path); err != nil {
		return p, err
	}
	if !p.fits() {
		return p, fmt.Errorf("the key in %s is not that of its certificate", path)
	}
	return p, nil
}

func encodeKey(key ed25519.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der}), nil
}

func readPEM(path, kind string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for {
		block, rest := pem.Decode(data)
		switch {
		case block == nil:
			return nil, fmt.Errorf("%s holds no %s in PEM form", path, kind)
		case block.Type == kind:
			return block.Bytes, nil
		}
		data = rest
	}
}

func readKey(path string) (ed25519.PrivateKey, error) {
	der, err := readPEM(path, pemKey)
	if err != nil {
		return nil, err
	}
	return parseKey(der)
}

func parseKey(der []byte) (ed25519.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read a key: %w", err)
	}
	if key, ok := key.(ed25519.PrivateKey); ok {
		return key, nil
	}
	return nil, errors.New("read a key: it is not an Ed25519 key")
}

func readCert(path string) (*x509.Certificate, error) {
	der, err := readPEM(path, pemCert)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return cert, nil
}

// Applicant is a node about to join: a key that never leaves it.
type Applicant struct {
	Name string
	key  ed25519.PrivateKey
}

// Apply makes the key of a node that joins, or takes up the one that an
// earlier try has left in dir, so that a repeated join is the same join.
func Apply(dir, name string) (*Applicant, error) {
	path := filepath.Join(dir, nodeFile)
	if key, err := readKey(path); err == nil {
		return &Applicant{name, key}, nil
	}
	key := ed25519.NewKeyFromSeed(random(ed25519.SeedSize))
	data, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	if err := durable.WriteFile(path, data, filesMode); err != nil {
		return nil, fmt.Errorf("save the node's key: %w", err)
	}
	return &Applicant{name, key}, nil
}

// Request is the applicant's certificate request (PKCS #10, DER).
func (a *Applicant) Request() ([]byte, error) {
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: a.Name}}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, a.key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate request: %w", err)
	}
	return der, nil
}

// Membership is what a cluster hands to a node that it has admitted.
type Membership struct {
	Cluster     string `json:"cluster"`
	Certificate []byte `json:"certificate"` // DER
	Authority   []byte `json:"authority"`   // DER
	CAKey       []byte `json:"ca_key"`      // PKCS #8
	GossipKey   []byte `json:"gossip_key"`
	SessionKey  []byte `json:"session_key"`
}

// Membership is what this member hands to a node whose certificate it signed.
func (id *Identity) Membership(certificate *x509.Certificate) (Membership, error) {
	key, err := x509.MarshalPKCS8PrivateKey(id.caKey)
	if err != nil {
		return Membership{}, fmt.Errorf("encode the authority's key: %w", err)
	}
	return Membership{id.Cluster, certificate.Raw, id.ca.Raw, key, id.GossipKey, id.SessionKey}, nil
}

// Accept turns what the cluster has handed over into the node's identity.
func (a *Applicant) Accept(m Membership) (*Identity, error) {
	id := &Identity{Cluster: m.Cluster, Name: a.Name, GossipKey: m.GossipKey, SessionKey: m.SessionKey, own: pair{key: a.key}}
	var err error
	if id.own.leaf, err = x509.ParseCertificate(m.Certificate); err != nil {
		return nil, fmt.Errorf("read the certificate received: %w", err)
	}
	if id.ca, err = x509.ParseCertificate(m.Authority); err != nil {
		return nil, fmt.Errorf("read the authority received: %w", err)
	}
	if id.caKey, err = parseKey(m.CAKey); err != nil {
		return nil, err
	}
	return id, id.check()
}
