package ledger

import (
	"bytes"

	"go.etcd.io/bbolt"
)

// state is what commands are judged by and readers see: the agreed state, and
// over it what this node has taken alone (see tail).
type state struct {
	base *bbolt.Tx
	over *bbolt.Tx // nil unless there is a tail
}

// What an octet before a value in the upper layer says.
const (
	overGone  = 0 // the key is not there
	overValue = 1 // the value follows
)

// get is nil for a key that is not there.
func (s state) get(in bucket, key []byte) []byte {
	if s.over != nil {
		if v := s.over.Bucket([]byte(in)).Get(key); v != nil {
			if v[0] == overGone {
				return nil
			}
			return v[1:]
		}
	}
	return s.base.Bucket([]byte(in)).Get(key)
}

func (s state) has(in bucket, key string) bool { return s.get(in, []byte(key)) != nil }

// put writes into the upper layer if there is one, nil deletes.
func (s state) put(in bucket, key, value []byte) error {
	switch {
	case s.over != nil && value == nil:
		return s.over.Bucket([]byte(in)).Put(key, []byte{overGone})
	case s.over != nil:
		return s.over.Bucket([]byte(in)).Put(key, append([]byte{overValue}, value...))
	case value == nil:
		return s.base.Bucket([]byte(in)).Delete(key)
	}
	return s.base.Bucket([]byte(in)).Put(key, value)
}

// cursor goes through the keys of a bucket in both layers as one. A nil key is
// the end. Octets are good until the transaction ends.
type cursor struct {
	base, over *bbolt.Cursor
	at         []byte // key it stands at, nil before the first call
}

func (s state) cursor(in bucket) *cursor {
	c := &cursor{base: s.base.Bucket([]byte(in)).Cursor()}
	if s.over != nil {
		c.over = s.over.Bucket([]byte(in)).Cursor()
	}
	return c
}

// Seek goes to the first key that is not before key.
func (c *cursor) Seek(key []byte) (k, v []byte) {
	if c.over == nil {
		return c.base.Seek(key)
	}
	bk, bv := c.base.Seek(key)
	ok, ov := c.over.Seek(key)
	return c.settle(bk, bv, ok, ov, 1)
}

// Next goes to the next key.
func (c *cursor) Next() (k, v []byte) {
	if c.over == nil {
		return c.base.Next()
	}
	return c.next()
}

// Prev goes to the key before.
func (c *cursor) Prev() (k, v []byte) {
	if c.over == nil {
		return c.base.Prev()
	}
	return c.prev()
}

// Last goes to the last key.
func (c *cursor) Last() (k, v []byte) {
	if c.over == nil {
		return c.base.Last()
	}
	bk, bv := c.base.Last()
	ok, ov := c.over.Last()
	return c.settle(bk, bv, ok, ov, -1)
}

func (c *cursor) next() (k, v []byte) {
	if c.at == nil {
		return nil, nil
	}
	bk, bv := after(c.base, c.at)
	ok, ov := after(c.over, c.at)
	return c.settle(bk, bv, ok, ov, 1)
}

func (c *cursor) prev() (k, v []byte) {
	var bk, bv, ok, ov []byte
	if c.at == nil { // behind the last
		bk, bv = c.base.Last()
		ok, ov = c.over.Last()
	} else {
		bk, bv = before(c.base, c.at)
		ok, ov = before(c.over, c.at)
	}
	return c.settle(bk, bv, ok, ov, -1)
}

// settle takes the nearer of the two layers' keys, the upper layer's where both
// have it, and goes on in its direction over what is gone.
func (c *cursor) settle(bk, bv, ok, ov []byte, direction int) (k, v []byte) {
	for {
		switch {
		case bk == nil && ok == nil:
			c.at = nil
			return nil, nil
		case ok == nil || bk != nil && direction*bytes.Compare(bk, ok) < 0:
			c.at = bk
			return bk, bv
		case ov[0] == overValue:
			c.at = ok
			return ok, ov[1:]
		}
		gone := ok
		if direction > 0 {
			bk, bv = after(c.base, gone)
			ok, ov = after(c.over, gone)
		} else {
			bk, bv = before(c.base, gone)
			ok, ov = before(c.over, gone)
		}
	}
}

func after(c *bbolt.Cursor, key []byte) (k, v []byte) {
	k, v = c.Seek(key)
	if bytes.Equal(k, key) {
		return c.Next()
	}
	return k, v
}

func before(c *bbolt.Cursor, key []byte) (k, v []byte) {
	if k, _ := c.Seek(key); k == nil {
		return c.Last()
	}
	return c.Prev()
}
