package desk

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// TokenLife is how long after a login its token opens a session again.
const TokenLife = 12 * time.Hour

// endedLife is how long after its logout a session is remembered as ended: for
// the life of its last token, and once more, because a node that was cut off
// may have made it another one meanwhile.
const endedLife = 2 * TokenLife

// maxToken bounds what is looked at.
const maxToken = 1024

// token is what a session token says. Every node can check it without having
// seen the login.
type token struct {
	Account string     `json:"a"` // folded
	Session string     `json:"s"`
	Epoch   uint64     `json:"e"`
	Expires fax.Millis `json:"x"`
	Home    string     `json:"h"`
}

var errToken = errors.New("not a session token of this cluster")

var encoding = base64.RawURLEncoding.Strict()

// sign is PAYLOAD.MAC, both in base64url, the MAC being HMAC-SHA256.
func (t token) sign(key []byte) (string, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	payload := encoding.EncodeToString(text)
	return payload + "." + encoding.EncodeToString(mac(key, "session", payload)), nil
}

func parseToken(key []byte, s string) (t token, err error) {
	payload, sum, ok := strings.Cut(s, ".")
	if !ok || len(s) > maxToken {
		return t, errToken
	}
	got, err := encoding.DecodeString(sum)
	if err != nil || !hmac.Equal(got, mac(key, "session", payload)) {
		return t, errToken
	}
	text, err := encoding.DecodeString(payload)
	if err != nil || json.Unmarshal(text, &t) != nil {
		return t, errToken
	}
	return t, nil
}

// Secret is what a node says first on the notification port of a session.
// Every node of the cluster can compute it, so that it is never sent between
// them.
func Secret(sessionKey []byte, session string) string {
	return encoding.EncodeToString(mac(sessionKey, "notify", session))
}

// mac signs text for one purpose.
func mac(key []byte, purpose, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(purpose + "\x00" + text))
	return m.Sum(nil)
}

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// NewID makes an id of 16 characters that nobody else makes. Ids grow with
// time: sorted by id means sorted by age.
func NewID(at time.Time) string {
	var b [10]byte
	binary.BigEndian.PutUint64(b[:8], uint64(at.UnixMilli())<<16)
	rand.Read(b[6:])
	return idEncoding.EncodeToString(b[:])
}
