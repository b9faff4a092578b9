package activity

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Start is the chain value before the first entry.
var Start = hex.EncodeToString(make([]byte, sha256.Size))

// Chain is the chain value of an entry: SHA-256 over the value before, Seq and
// At as eight octets each, high octet first, then Who, Node, What, Object and
// Detail, each after its length as four octets. It does not depend on how
// entries are stored or written.
func Chain(before [sha256.Size]byte, a fax.Activity) [sha256.Size]byte {
	data := append([]byte(nil), before[:]...)
	data = binary.BigEndian.AppendUint64(data, a.Seq)
	data = binary.BigEndian.AppendUint64(data, uint64(a.At))
	for _, s := range []string{a.Who, a.Node, a.What, a.Object, a.Detail} {
		data = binary.BigEndian.AppendUint32(data, uint32(len(s)))
		data = append(data, s...)
	}
	return sha256.Sum256(data)
}

// Follows reports whether an entry has the chain value that it must have behind
// the value before, both as 64 hexadecimal digits.
func Follows(before string, a fax.Activity) bool {
	value, ok := parse(before)
	if !ok {
		return false
	}
	chain := Chain(value, a)
	return a.Chain == hex.EncodeToString(chain[:])
}

func parse(value string) (sum [sha256.Size]byte, ok bool) {
	b, err := hex.DecodeString(value)
	if err != nil || len(b) != len(sum) || hex.EncodeToString(b) != value {
		return sum, false
	}
	return [sha256.Size]byte(b), true
}
