package desk

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Limits of passwords.
const (
	MinPassword = 8    // characters
	MaxPassword = 1024 // octets
	MaxHashing  = 2    // passwords hashed at a time: each takes 19 MiB and a processor
	hashWait    = 10 * time.Second
)

// The parameters of argon2id for new passwords (OWASP's second choice).
const (
	hashMemory  = 19456 // KiB
	hashTime    = 2
	hashThreads = 1
	saltLen     = 16
	keyLen      = 32
)

var phcEncoding = base64.RawStdEncoding.Strict()

// CheckPassword says whether a password may be set.
func CheckPassword(password string) error {
	switch {
	case !utf8.ValidString(password):
		return fax.Errorf(fax.Invalid, "the password is not UTF-8; choose another")
	case utf8.RuneCountInString(password) < MinPassword:
		return fax.Errorf(fax.Invalid, "the password has less than %d characters; choose a longer one", MinPassword)
	case len(password) > MaxPassword:
		return fax.Errorf(fax.Invalid, "the password has more than %d octets; choose a shorter one", MaxPassword)
	}
	return nil
}

// HashPassword checks a new password and returns its argon2id PHC string. The
// same characters composed in another way are the same password.
func HashPassword(password string) (string, error) {
	if err := CheckPassword(password); err != nil {
		return "", err
	}
	p := phc{memory: hashMemory, time: hashTime, threads: hashThreads, salt: make([]byte, saltLen)}
	rand.Read(p.salt)
	p.key = p.derive(password, keyLen)
	return p.String(), nil
}

// phc is a password hash as $argon2id$v=19$m=…,t=…,p=…$salt$key.
type phc struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

func (p phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.time, p.threads,
		phcEncoding.EncodeToString(p.salt), phcEncoding.EncodeToString(p.key))
}

func (p phc) derive(password string, n int) []byte {
	return argon2.IDKey(norm.NFC.Bytes([]byte(password)), p.salt, p.time, p.memory, p.threads, uint32(n))
}

// parsePHC takes hashes of other parameters, too, within bounds that a login
// can bear.
func parsePHC(s string) (p phc, err error) {
	bad := errors.New("the account's password hash is not an argon2id PHC string; set a new password")
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, bad
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil {
		return p, bad
	}
	if p.memory < 8 || p.memory > 256<<10 || p.time < 1 || p.time > 16 || p.threads < 1 || p.threads > 16 {
		return p, bad
	}
	if p.salt, err = phcEncoding.DecodeString(parts[4]); err != nil || len(p.salt) < 8 || len(p.salt) > 64 {
		return p, bad
	}
	if p.key, err = phcEncoding.DecodeString(parts[5]); err != nil || len(p.key) < 16 || len(p.key) > 64 {
		return p, bad
	}
	return p, nil
}

// hasher checks passwords, a bounded number at a time.
type hasher struct {
	slots chan struct{}
	decoy phc // what the password of an account that does not exist is checked against
}

func newHasher() (hasher, error) {
	h := hasher{slots: make(chan struct{}, MaxHashing),
		decoy: phc{memory: hashMemory, time: hashTime, threads: hashThreads, salt: make([]byte, saltLen), key: make([]byte, keyLen)}}
	if _, err := rand.Read(h.decoy.salt); err != nil {
		return h, err
	}
	_, err := rand.Read(h.decoy.key)
	return h, err
}

// limit bounds wrong passwords.
type limit struct {
	wait  func() time.Duration // for which no password is tried
	wrong func()               // counts one more
}

func (l limit) check() error {
	if wait := l.wait(); wait > 0 {
		return fax.Errorf(fax.Busy, "too many wrong passwords; try again in %d seconds", int(wait.Seconds())+1)
	}
	return nil
}

// check reports whether password is the one of the hash. An empty hash, of no
// account, takes the same time and is never right. The limit is asked when the
// turn of this password has come, and told before the next one's comes: many
// tries at once must not be more than one after the other.
func (h hasher) check(ctx context.Context, hash, password string, l limit) (right bool, err error) {
	p := h.decoy
	if hash != "" {
		if p, err = parsePHC(hash); err != nil {
			return false, err
		}
	}
	if len(password) > MaxPassword {
		password = password[:MaxPassword] // wrong in any case, at the same cost
	}
	err = h.within(ctx, func() error {
		if err := l.check(); err != nil {
			return err
		}
		same := subtle.ConstantTimeCompare(p.derive(password, len(p.key)), p.key) == 1
		if right = same && hash != ""; !right {
			l.wrong()
		}
		return nil
	})
	return right, err
}

// make hashes a new password.
func (h hasher) make(ctx context.Context, password string) (hash string, err error) {
	err = h.within(ctx, func() error {
		hash, err = HashPassword(password)
		return err
	})
	return hash, err
}

func (h hasher) within(ctx context.Context, f func() error) error {
	timer := time.NewTimer(hashWait)
	defer timer.Stop()
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
		return f()
	case <-timer.C:
		return fax.Errorf(fax.Busy, "too many people log in at the moment; try again")
	case <-ctx.Done():
		return ctx.Err()
	}
}
