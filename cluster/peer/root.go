package peer

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Root is a cluster's authority with its key: what a backup has to hold so that
// clients, and exports that were signed, know the restored cluster again.
type Root struct {
	Cluster     string `json:"cluster"`
	Certificate []byte `json:"certificate"` // DER
	Key         []byte `json:"key"`         // PKCS #8
}

// Root is that of this node's cluster.
func (id *Identity) Root() (Root, error) {
	key, err := x509.MarshalPKCS8PrivateKey(id.caKey)
	if err != nil {
		return Root{}, fmt.Errorf("encode the authority's key: %w", err)
	}
	return Root{id.Cluster, id.ca.Raw, key}, nil
}

// Refound makes a first node under an authority that there was before. Its key
// and the secrets that members share are new: what nodes and sessions of before
// hold opens nothing.
func Refound(r Root, name string) (*Identity, error) {
	ca, err := x509.ParseCertificate(r.Certificate)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's authority: %w", err)
	}
	caKey, err := parseKey(r.Key)
	if err != nil {
		return nil, err
	}
	if err := fax.CheckName("node", name); err != nil {
		return nil, err
	}
	if len(ca.URIs) != 1 || ca.URIs[0].Scheme != scheme || ca.URIs[0].Host != r.Cluster || r.Cluster == "" {
		return nil, errors.New("the authority is not that of the cluster in the backup")
	}
	id := &Identity{Cluster: r.Cluster, Name: name, GossipKey: random(keyLen), SessionKey: random(keyLen), ca: ca, caKey: caKey}
	if id.own, err = id.newPair(time.Now()); err != nil {
		return nil, err
	}
	return id, id.check()
}
