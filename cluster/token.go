package cluster

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// A join token is tokenPrefix and, in base 32: the SHA-256 of the cluster's
// authority, by which the joining node knows the cluster; a secret, by which
// the cluster knows that it was invited; a CRC-32 against slips of the hand.
const (
	tokenPrefix = "fxm1-"
	secretLen   = 16
	tokenLen    = sha256.Size + secretLen + crc32.Size
)

var tokenText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

type token struct {
	authority [sha256.Size]byte
	secret    [secretLen]byte
}

func newToken(authority [sha256.Size]byte) token {
	t := token{authority: authority}
	rand.Read(t.secret[:])
	return t
}

func (t token) String() string {
	b := append(t.authority[:], t.secret[:]...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return tokenPrefix + tokenText.EncodeToString(b)
}

// hash is what the ledger knows of the token.
func (t token) hash() string { return secretHash(t.secret[:]) }

func secretHash(secret []byte) string {
	sum := sha256.Sum256(secret)
	return hex.EncodeToString(sum[:])
}

func parseToken(s string) (t token, err error) {
	text, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(s)), tokenPrefix)
	b, decodeErr := tokenText.DecodeString(text)
	if !ok || decodeErr != nil || len(b) != tokenLen {
		return t, fax.Errorf(fax.Invalid, "this is not a join token; one begins with %s and is made by an administrator", tokenPrefix)
	}
	body := b[:tokenLen-crc32.Size]
	if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(b[len(body):]) {
		return t, fax.Errorf(fax.Invalid, "the join token has been mistyped; copy it whole")
	}
	copy(t.authority[:], body)
	copy(t.secret[:], body[sha256.Size:])
	return t, nil
}
