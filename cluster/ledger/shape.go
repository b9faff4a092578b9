package ledger

import (
	"encoding/binary"
	"errors"
)

// Limits on one msgpack value.
const (
	maxDepth = 8    // containers in one another
	maxItems = 4096 // values in all
)

var errShape = errors.New("not one complete msgpack value within the limits")

// checkShape walks one msgpack value without allocating. Every count has to
// fit into the octets that follow it, extension types are refused, and nothing
// may come after the value.
func checkShape(data []byte) error {
	var left [maxDepth + 1]int // values still to come at each depth
	depth, items := 0, 0
	left[0] = 1
	for {
		for left[depth] == 0 {
			if depth == 0 {
				if len(data) != 0 {
					return errShape
				}
				return nil
			}
			depth--
		}
		left[depth]--
		if items++; items > maxItems {
			return errShape
		}
		skip, children, ok := header(data)
		if !ok || skip > len(data) || children > len(data)-skip {
			return errShape
		}
		data = data[skip:]
		if children > 0 {
			if depth++; depth > maxDepth {
				return errShape
			}
			left[depth] = children
		}
	}
}

// header reads the first octets of a value: how many octets belong to it
// alone, and how many values it contains.
func header(data []byte) (skip, children int, ok bool) {
	if len(data) == 0 {
		return 0, 0, false
	}
	switch c := data[0]; {
	case c <= 0x7f, c >= 0xe0: // fixint
		return 1, 0, true
	case c <= 0x8f: // fixmap
		return 1, 2 * int(c&0x0f), true
	case c <= 0x9f: // fixarray
		return 1, int(c & 0x0f), true
	case c <= 0xbf: // fixstr
		return 1 + int(c&0x1f), 0, true
	case c == 0xc0, c == 0xc2, c == 0xc3: // nil, false, true
		return 1, 0, true
	case c >= 0xc4 && c <= 0xc6: // bin 8, 16, 32
		return sized(data, 1<<(c-0xc4), 1, 0)
	case c == 0xca, c == 0xcb: // float 32, 64
		return 1 + 4<<(c-0xca), 0, true
	case c >= 0xcc && c <= 0xcf: // uint 8…64
		return 1 + 1<<(c-0xcc), 0, true
	case c >= 0xd0 && c <= 0xd3: // int 8…64
		return 1 + 1<<(c-0xd0), 0, true
	case c >= 0xd9 && c <= 0xdb: // str 8, 16, 32
		return sized(data, 1<<(c-0xd9), 1, 0)
	case c == 0xdc, c == 0xdd: // array 16, 32
		return sized(data, 2<<(c-0xdc), 0, 1)
	case c == 0xde, c == 0xdf: // map 16, 32
		return sized(data, 2<<(c-0xde), 0, 2)
	}
	return 0, 0, false // 0xc1, extensions
}

// sized reads a length of width octets that counts octets or children.
func sized(data []byte, width, octets, children int) (int, int, bool) {
	if len(data) < 1+width {
		return 0, 0, false
	}
	var word [8]byte
	copy(word[8-width:], data[1:1+width])
	n := binary.BigEndian.Uint64(word[:])
	if n > uint64(len(data)) {
		return 0, 0, false
	}
	return 1 + width + int(n)*octets, int(n) * children, true
}
