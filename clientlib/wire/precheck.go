package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// ErrMessage marks a payload that is not one msgpack value within the limits.
var ErrMessage = errors.New("bad message")

// kind is how the walk goes on after a value's head.
type kind uint8

const (
	scalar kind = iota
	text
	octets
	array
	mapping
)

// precheck walks one msgpack value without allocating and refuses what would
// make a decoder allocate more than the payload is worth: counts and lengths
// beyond its end, nesting deeper than MaxDepth, more than MaxNodes values,
// extension types, text that is not UTF-8, octets behind the value.
func precheck(b []byte) error {
	var stack [MaxDepth]int // values still to come on the levels above
	depth, pending, pos := 0, 1, 0
	for nodes := 0; ; {
		for pending == 0 {
			if depth == 0 {
				if pos != len(b) {
					return fmt.Errorf("%w: %d octets behind its end", ErrMessage, len(b)-pos)
				}
				return nil
			}
			depth--
			pending = stack[depth]
		}
		pending--
		if nodes++; nodes > MaxNodes {
			return fmt.Errorf("%w: more than %d values", ErrMessage, MaxNodes)
		}
		k, n, width, err := head(b[pos:])
		if err != nil {
			return err
		}
		pos += width
		if n > len(b)-pos {
			return fmt.Errorf("%w: a value announces %d where %d octets are left", ErrMessage, n, len(b)-pos)
		}
		switch k {
		case text:
			if !utf8.Valid(b[pos : pos+n]) {
				return fmt.Errorf("%w: text that is not UTF-8", ErrMessage)
			}
			pos += n
		case octets:
			pos += n
		case array, mapping:
			if depth == MaxDepth {
				return fmt.Errorf("%w: nested deeper than %d", ErrMessage, MaxDepth)
			}
			stack[depth] = pending
			depth++
			pending = n
		}
	}
}

// head reads the head of a value: what it is, the octets of a text or the
// values inside a container, the width of the head with a scalar's own octets.
func head(b []byte) (k kind, n, width int, err error) {
	if len(b) == 0 {
		return 0, 0, 0, fmt.Errorf("%w: it ends too early", ErrMessage)
	}
	switch c := b[0]; {
	case c <= 0x7f, c >= 0xe0, c == 0xc0, c == 0xc2, c == 0xc3:
		return scalar, 0, 1, nil
	case c <= 0x8f:
		return mapping, 2 * int(c&0x0f), 1, nil
	case c <= 0x9f:
		return array, int(c & 0x0f), 1, nil
	case c <= 0xbf:
		return text, int(c & 0x1f), 1, nil
	case c >= 0xcc && c <= 0xcf, c >= 0xd0 && c <= 0xd3:
		return fixed(b, 1+1<<(c&3))
	case c == 0xca, c == 0xcb:
		return fixed(b, 1+4<<(c-0xca))
	case c >= 0xc4 && c <= 0xc6:
		return sized(b, octets, 1<<(c-0xc4))
	case c >= 0xd9 && c <= 0xdb:
		return sized(b, text, 1<<(c-0xd9))
	case c == 0xdc, c == 0xdd:
		return sized(b, array, 2<<(c-0xdc))
	case c == 0xde, c == 0xdf:
		return sized(b, mapping, 2<<(c-0xde))
	default: // 0xc1 and the extension types
		return 0, 0, 0, fmt.Errorf("%w: the octet %#02x begins no value that is used here", ErrMessage, c)
	}
}

func fixed(b []byte, width int) (kind, int, int, error) {
	if len(b) < width {
		return 0, 0, 0, fmt.Errorf("%w: it ends too early", ErrMessage)
	}
	return scalar, 0, width, nil
}

// sized reads a head whose length takes size octets. A length that no frame
// can hold is cut to MaxPayload+1, which the caller refuses the same.
func sized(b []byte, k kind, size int) (kind, int, int, error) {
	if len(b) < 1+size {
		return 0, 0, 0, fmt.Errorf("%w: it ends too early", ErrMessage)
	}
	var n uint32
	switch size {
	case 1:
		n = uint32(b[1])
	case 2:
		n = uint32(binary.BigEndian.Uint16(b[1:]))
	default:
		n = binary.BigEndian.Uint32(b[1:])
	}
	n = min(n, MaxPayload+1)
	if k == mapping {
		n *= 2
	}
	return k, int(n), 1 + size, nil
}
