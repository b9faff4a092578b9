package activity

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Format is the number of the export's format.
const Format = 1

// signed are the octets that a head's signature is made over. The first line
// keeps the signature from being taken for one of another kind.
func signed(h fax.ActivityHead) []byte {
	return fmt.Appendf(nil, "faxmesh activity export %d\ncluster %s\nnode %s\nmade %d\nfirst %d\nbefore %s\nlast %d\nend %s\n",
		h.Format, h.Cluster, h.Node, h.Made, h.First, h.Before, h.Last, h.End)
}

// Sign signs a head with the node's certificate, behind which comes that of the
// cluster's authority.
func Sign(h fax.ActivityHead, by tls.Certificate) (fax.ActivityHead, error) {
	key, ok := by.PrivateKey.(crypto.Signer)
	if !ok || len(by.Certificate) != 2 {
		return h, errors.New("sign an export: the node has no certificate of an authority")
	}
	h.Format = Format
	h.Certificate, h.Authority = by.Certificate[0], by.Certificate[1]
	var err error
	if h.Signature, err = key.Sign(nil, signed(h), crypto.Hash(0)); err != nil {
		return h, fmt.Errorf("sign an export: %w", err)
	}
	return h, nil
}

// Fingerprint is the hex SHA-256 of the authority's certificate: what clients
// see at their first login.
func Fingerprint(h fax.ActivityHead) string {
	sum := sha256.Sum256(h.Authority)
	return hex.EncodeToString(sum[:])
}

// checkHead wants a head that makes sense, and a signature of the node that it
// names, of the cluster that it names, by the authority that it holds. Whether
// that authority is the right one is not to be seen from the head.
func checkHead(h fax.ActivityHead) error {
	if h.Format != Format {
		return fmt.Errorf("the export is of format %d; this program knows format %d", h.Format, Format)
	}
	_, before := parse(h.Before)
	_, end := parse(h.End)
	if !before || !end || h.First == 0 || h.Last < h.First || h.First == 1 && h.Before != Start {
		return errors.New("the head names no range of entries")
	}
	authority, err := x509.ParseCertificate(h.Authority)
	if err != nil {
		return fmt.Errorf("the authority's certificate cannot be read: %w", err)
	}
	leaf, err := x509.ParseCertificate(h.Certificate)
	if err != nil {
		return fmt.Errorf("the node's certificate cannot be read: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: h.Made.Time(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return fmt.Errorf("the node's certificate is not of the authority in the head: %w", err)
	}
	if want := "faxmesh://" + h.Cluster + "/node/" + h.Node; len(leaf.URIs) != 1 || leaf.URIs[0].Scheme != "faxmesh" ||
		leaf.URIs[0].Host != h.Cluster || leaf.URIs[0].Path != "/node/"+h.Node {
		return fmt.Errorf("the certificate is not that of %s", want)
	}
	key, ok := leaf.PublicKey.(ed25519.PublicKey)
	if !ok || !ed25519.Verify(key, signed(h), h.Signature) {
		return fmt.Errorf("the signature is not one of node %s over this head: the head has been changed", h.Node)
	}
	return nil
}
