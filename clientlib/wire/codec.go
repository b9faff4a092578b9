package wire

import (
	"bytes"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Message is what a payload holds: a msgpack map with short tags. Fields may
// be added; a field that is not known is passed over.
type Message interface {
	// Check holds every field to its limit.
	Check() error
}

// Encode is m as a payload. It refuses what the other side would not take: a
// field over its limit (fax.Invalid), a message over a frame (fax.TooLarge).
func Encode(m Message) ([]byte, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	payload, err := marshal(m)
	if err != nil {
		return nil, err
	}
	if len(payload) > MaxPayload {
		return nil, fax.Errorf(fax.TooLarge, "a message of %d octets does not fit into a frame of %d", len(payload), MaxPayload)
	}
	if err := precheck(payload); err != nil {
		return nil, fmt.Errorf("encode %T: %w", m, err)
	}
	return payload, nil
}

func marshal(m Message) ([]byte, error) {
	var b bytes.Buffer
	enc := msgpack.GetEncoder()
	defer msgpack.PutEncoder(enc)
	enc.Reset(&b)
	enc.UseCompactInts(true)
	if err := enc.Encode(m); err != nil {
		return nil, fmt.Errorf("encode %T: %w", m, err)
	}
	return b.Bytes(), nil
}

// CheckThenDecode reads a payload into m. It is the only way from octets to a
// message: nothing is decoded that has not been walked first, and nothing is
// returned that has not passed m.Check. Errors are of kind fax.Invalid.
func CheckThenDecode(payload []byte, m Message) error {
	if len(payload) > MaxPayload {
		return fax.Errorf(fax.TooLarge, "a message of %d octets, at most %d are allowed", len(payload), MaxPayload)
	}
	if err := precheck(payload); err != nil {
		return fax.Errorf(fax.Invalid, "%v", err)
	}
	if err := msgpack.Unmarshal(payload, m); err != nil {
		return fax.Errorf(fax.Invalid, "%v: %v", ErrMessage, err)
	}
	return m.Check()
}

// Split encodes a list as as many messages as its size needs, at least one.
func Split[T any](items []T, wrap func([]T) Message) ([][]byte, error) {
	if len(items) > pageItems {
		return splitAt(items, pageItems, wrap)
	}
	payload, err := Encode(wrap(items))
	if err == nil {
		return [][]byte{payload}, nil
	}
	if len(items) < 2 {
		return nil, err
	}
	return splitAt(items, len(items)/2, wrap)
}

// pageItems keeps a page of the largest entries well under MaxNodes values.
const pageItems = 64

func splitAt[T any](items []T, n int, wrap func([]T) Message) ([][]byte, error) {
	first, err := Split(items[:n], wrap)
	if err != nil {
		return nil, err
	}
	rest, err := Split(items[n:], wrap)
	if err != nil {
		return nil, err
	}
	return append(first, rest...), nil
}
