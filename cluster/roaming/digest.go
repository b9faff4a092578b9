package roaming

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

	"go.etcd.io/bbolt"
)

// buckets is into how many parts the records are sorted by the hash of their
// keys, to find out where two nodes differ.
const buckets = 4096

// digestLen is octets of a bucket's digest.
const digestLen = 16

// MaxDigests is the octets of all digests.
const MaxDigests = buckets * digestLen

// Buckets is a set of buckets.
type Buckets [buckets / 8]byte

func (b *Buckets) has(n int) bool { return b[n/8]&(1<<(n%8)) != 0 }

func bucketOf(key []byte) int {
	sum := sha256.Sum256(key)
	return int(binary.BigEndian.Uint16(sum[:]) % buckets)
}

// digest is the sum of the records' hashes, modulo 2^128. Deletions are not in
// it: they are forgotten at another time on each node.
type digest struct{ high, low uint64 }

func digestOf(r Record) (d digest) {
	if len(r.Cells) == 0 {
		return d
	}
	r.Gone = Mark{}
	sum := sha256.Sum256(appendRecord(nil, r))
	return digest{binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])}
}

// redigest takes one copy of a record out of its bucket's digest, puts another
// in.
func redigest(tx *bbolt.Tx, from, to Record) error {
	out, in := digestOf(from), digestOf(to)
	name := binary.BigEndian.AppendUint16(nil, uint16(bucketOf(from.Key.octets())))
	var d digest
	if have := tx.Bucket(inDigests).Get(name); len(have) == digestLen {
		d = digest{number(have[:8]), number(have[8:])}
	}
	var carry uint64
	d.low, carry = bits.Sub64(d.low, out.low, 0)
	d.high, _ = bits.Sub64(d.high, out.high, carry)
	d.low, carry = bits.Add64(d.low, in.low, 0)
	d.high, _ = bits.Add64(d.high, in.high, carry)
	return tx.Bucket(inDigests).Put(name, append(octets(d.high), octets(d.low)...))
}

// Digests gives the digests of all buckets, MaxDigests octets, with the vector
// at that moment.
func (s *Store) Digests() (all []byte, v Vector, err error) {
	all = make([]byte, MaxDigests)
	err = s.db.View(func(tx *bbolt.Tx) error {
		if v, err = vectorIn(tx, inVector); err != nil {
			return err
		}
		return tx.Bucket(inDigests).ForEach(func(name, d []byte) error {
			if len(name) == 2 && len(d) == digestLen {
				copy(all[int(binary.BigEndian.Uint16(name))*digestLen:], d)
			}
			return nil
		})
	})
	return all, v, err
}

// Differing compares two nodes' digests of MaxDigests octets each.
func Differing(a, b []byte) (which *Buckets, n int) {
	which = new(Buckets)
	for i := range buckets {
		if string(a[i*digestLen:(i+1)*digestLen]) != string(b[i*digestLen:(i+1)*digestLen]) {
			which[i/8] |= 1 << (i % 8)
			n++
		}
	}
	return which, n
}
