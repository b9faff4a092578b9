package blob

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/faxmesh/faxmesh/cluster/durable"
)

// Key seals a node's documents. Each node has its own and shows it to nobody.
type Key struct {
	secret [32]byte
	id     [keyIDLen]byte // says which key it is, and nothing about it
}

// keyMark is the file in the store's directory that says which key its sealed
// documents need, so that a lost key is noticed before another is made.
const keyMark = "key-id"

func newKey(secret []byte) *Key {
	k := &Key{}
	copy(k.secret[:], secret)
	sum := sha256.Sum256(append([]byte("faxmesh document key id"), secret...))
	copy(k.id[:], sum[:])
	return k
}

// LoadKey reads the key of the store in dir from a file, 64 hexadecimal digits.
// With create it makes a key if the store has never had one; without, the key
// may be nil. That the store's key is gone, or is another one, is an error that
// says what to do.
func LoadKey(file, dir string, create bool) (*Key, error) {
	mark, err := os.ReadFile(filepath.Join(dir, keyMark))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read which key the documents need: %w", err)
	}
	marked := err == nil
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && marked:
		return nil, fmt.Errorf("%s is missing: without it the documents in %s cannot be read; put it back from a backup, or, if it is lost for good, move %s away and let this node fetch its documents from the others", file, dir, dir)
	case errors.Is(err, fs.ErrNotExist) && !create:
		return nil, nil
	case errors.Is(err, fs.ErrNotExist):
		if text, err = makeKey(file); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, fmt.Errorf("read the key of the documents: %w", err)
	}
	secret, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(secret) != 32 {
		return nil, fmt.Errorf("%s does not hold a key, 64 hexadecimal digits; put it back from a backup", file)
	}
	k := newKey(secret)
	want := hex.EncodeToString(k.id[:])
	if !marked {
		return k, k.mark(dir, want)
	}
	if string(bytes.TrimSpace(mark)) != want {
		return nil, fmt.Errorf("%s is not the key with which the documents in %s are sealed; put the right one back from a backup", file, dir)
	}
	return k, nil
}

func makeKey(file string) (text []byte, err error) {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	text = append(hex.AppendEncode(nil, secret), '\n')
	if err := durable.WriteFile(file, text, 0o600); err != nil {
		return nil, fmt.Errorf("make the key of the documents: %w", err)
	}
	return text, nil
}

// mark notes, before the first document is sealed, which key it will need.
func (k *Key) mark(dir, id string) error {
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("note which key the documents need: %w", err)
	}
	if err := durable.WriteFile(filepath.Join(dir, keyMark), []byte(id+"\n"), 0o600); err != nil {
		return fmt.Errorf("note which key the documents need: %w", err)
	}
	return nil
}
