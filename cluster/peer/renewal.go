package peer

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A node's certificate is renewed with a new key when two thirds of its life
// are over: the node makes the key, the members hear of it, the node begins to
// use it, the members forget the old one. If that has not come about when the
// end is near, or if the node was switched off until after the end, it signs a
// new certificate for the key that it has: members know a node by its key.
const (
	certificateLife = 365 * 24 * time.Hour
	spread          = certificateLife / 24 // before the time, so that nodes made together are not renewed together
	nearEnd         = 14 * 24 * time.Hour  // before the end
	shortestLife    = time.Hour            // at which it is renewed even if the authority itself ends soon
)

// Renewal is what is to be done about a certificate now.
type Renewal int

// The renewals.
const (
	KeepIt    Renewal = iota
	ChangeKey         // make a new key, and let the members know
	SignAgain         // at once, for the same key
)

// renewal decides from the time of signing, the end and the node's name.
func renewal(now, signed, end time.Time, name string) Renewal {
	if now.Sub(signed) < shortestLife && now.Before(end) {
		return KeepIt
	}
	switch {
	case !now.Before(end.Add(-min(nearEnd, end.Sub(signed)/4))):
		return SignAgain
	case !now.Before(changeTime(signed, end, name)):
		return ChangeKey
	}
	return KeepIt
}

// changeTime is when a node's key is to be changed.
func changeTime(signed, end time.Time, name string) time.Time {
	sum := sha256.Sum256([]byte(name))
	share := float64(binary.BigEndian.Uint32(sum[:])) / (1 << 32)
	early := time.Duration(share * float64(min(spread, end.Sub(signed)/12)))
	return signed.Add(end.Sub(signed) * 2 / 3).Add(-early)
}

// Due is what is to be done about this node's certificate.
func (id *Identity) Due(now time.Time) Renewal {
	leaf := id.current().leaf
	return renewal(now, leaf.NotBefore.Add(skew), leaf.NotAfter, id.Name)
}

// ChangeTime is when this node's key is to be changed.
func (id *Identity) ChangeTime() time.Time {
	leaf := id.current().leaf
	return changeTime(leaf.NotBefore.Add(skew), leaf.NotAfter, id.Name)
}

// pair is a key with its certificate.
type pair struct {
	key  ed25519.PrivateKey
	leaf *x509.Certificate
}

func (p pair) fits() bool { return p.key.Public().(ed25519.PublicKey).Equal(p.leaf.PublicKey) }

func (id *Identity) newPair(now time.Time) (p pair, err error) {
	p.key = ed25519.NewKeyFromSeed(random(ed25519.SeedSize))
	p.leaf, err = id.sign(p.key.Public().(ed25519.PublicKey), id.Name, now)
	return p, err
}

// Fingerprint is the hex SHA-256 of a certificate's public key (RFC 5280,
// SubjectPublicKeyInfo), by which members know a node.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

func (id *Identity) current() pair {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.own
}

// Fingerprint is that of this node's key.
func (id *Identity) Fingerprint() string { return Fingerprint(id.current().leaf) }

// Next is the fingerprint of the key that this node is to have; "" if none is
// made yet.
func (id *Identity) Next() string {
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.next == nil {
		return ""
	}
	return Fingerprint(id.next.leaf)
}

// Holds says whether a key is this node's: the one it has, had or is to have.
func (id *Identity) Holds(fingerprint string) bool {
	id.mu.Lock()
	defer id.mu.Unlock()
	for _, p := range []*pair{&id.own, id.last, id.next} {
		if p != nil && Fingerprint(p.leaf) == fingerprint {
			return true
		}
	}
	return false
}

// Certificate is this node's, with the authority in the chain, for serving and
// for dialling.
func (id *Identity) Certificate() tls.Certificate { return id.shown(id.current()) }

func (id *Identity) shown(p pair) tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{p.leaf.Raw, id.ca.Raw}, PrivateKey: crypto.Signer(p.key), Leaf: p.leaf}
}

// printLen is how much of a fingerprint is in a name that is asked for, which
// may have 63 octets between dots.
const printLen = 32

// nameFor is the server name by which one asks for a node's certificate of a
// certain key.
func nameFor(fingerprint string) string {
	if len(fingerprint) < printLen {
		return ServerName
	}
	return fingerprint[:printLen] + "." + ServerName
}

// forAsker is the certificate for who dials: the one before, if that is the one
// he knows and it has not ended, else this node's.
func (id *Identity) forAsker(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	id.mu.Lock()
	p := id.own
	if id.last != nil && time.Now().Before(id.last.leaf.NotAfter) && strings.EqualFold(hello.ServerName, nameFor(Fingerprint(id.last.leaf))) {
		p = *id.last
	}
	id.mu.Unlock()
	shown := id.shown(p)
	return &shown, nil
}

// Prepare makes the key that this node is to have, unless there is one, and
// puts it into dir.
func (id *Identity) Prepare(dir string) error {
	if id.Next() != "" {
		return nil
	}
	p, err := id.newPair(time.Now())
	if err != nil {
		return err
	}
	if err := p.save(filepath.Join(dir, nextFile)); err != nil {
		return err
	}
	id.mu.Lock()
	defer id.mu.Unlock()
	id.next = &p
	return nil
}

// Switch makes the key that Prepare has made this node's. It is on disk when
// Switch returns; a crash leaves the one or the other.
func (id *Identity) Switch(dir string) error {
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.next == nil {
		return errors.New("switch to a new key: none is made")
	}
	if err := id.own.save(filepath.Join(dir, lastFile)); err != nil {
		return err
	}
	if err := id.next.save(filepath.Join(dir, nodeFile)); err != nil {
		return err
	}
	last := id.own
	id.own, id.last, id.next = *id.next, &last, nil
	if err := os.Remove(filepath.Join(dir, nextFile)); err != nil {
		return fmt.Errorf("remove what is in use now: %w", err)
	}
	return nil
}

// SignAgain gives this node's key a new certificate.
func (id *Identity) SignAgain(dir string) error {
	p := id.current()
	leaf, err := id.sign(p.key.Public().(ed25519.PublicKey), id.Name, time.Now())
	if err != nil {
		return err
	}
	p.leaf = leaf
	if err := p.save(filepath.Join(dir, nodeFile)); err != nil {
		return err
	}
	id.mu.Lock()
	defer id.mu.Unlock()
	id.own = p
	return nil
}

// loadOthers reads the pairs beside the one in use, if there are any. A next
// one that is the one in use is left from a switch that was cut short.
func (id *Identity) loadOthers(dir string) error {
	for _, of := range []struct {
		file string
		to   **pair
	}{{lastFile, &id.last}, {nextFile, &id.next}} {
		p, err := readPair(filepath.Join(dir, of.file))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case !p.key.Equal(id.own.key):
			*of.to = &p
		}
	}
	if id.next == nil {
		if err := os.Remove(filepath.Join(dir, nextFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what is in use: %w", err)
		}
	}
	return nil
}
