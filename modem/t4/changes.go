package t4

import (
	"encoding/binary"
	"math/bits"
)

// A row is coded as its changing elements: the positions of the pels whose
// colour differs from that of the pel before them, the pel before the first
// being white (T.4 clause 4.2.1.1). So changes[0], [2], ... begin black runs and
// [1], [3], ... white ones. Behind the last one follow sentinels just past the
// last pel, where T.4 has the changing elements that are missing.
const sentinels = 4

// changesFor returns room for the changing elements of a row.
func changesFor(width int) []int32 { return make([]int32, 0, width+sentinels) }

// closeChanges appends the sentinels.
func closeChanges(c []int32, width int32) []int32 {
	return append(c, width, width, width, width)
}

// appendChanges appends the changing elements of row and the sentinels.
func appendChanges(c []int32, row []byte, width int) []int32 {
	var before uint64 // the pel left of the word
	for x := 0; x < width; x += 64 {
		w := word(row[x>>3:])
		if left := width - x; left < 64 {
			w &^= ^uint64(0) >> left // may make an edge at width, which is cut below
		}
		edges := w ^ (w>>1 | before<<63)
		before = w & 1
		for edges != 0 {
			z := bits.LeadingZeros64(edges)
			edges &^= 1 << 63 >> z
			c = append(c, int32(x+z))
		}
	}
	if n := len(c); n > 0 && c[n-1] == int32(width) {
		c = c[:n-1]
	}
	return closeChanges(c, int32(width))
}

// word reads up to eight octets, the first one on top.
func word(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var w uint64
	for i, v := range b {
		w |= uint64(v) << (56 - 8*i)
	}
	return w
}

// paint sets the black runs of a white row, word by word: one is written when
// the next run begins or ends in another.
func paint(row []byte, changes []int32) {
	n := len(changes) - sentinels
	var w uint64
	at := int32(0)              // of the word
	for i := 0; i < n; i += 2 { // a black run to the edge ends at a sentinel
		x0, x1 := changes[i], changes[i+1]
		if word := x0 &^ 63; word != at {
			putWord(row[at>>3:], w)
			w, at = 0, word
		}
		w |= ^uint64(0) >> (x0 & 63)
		if word := x1 &^ 63; word != at {
			putWord(row[at>>3:], w)
			for at += 64; at < word; at += 64 {
				putWord(row[at>>3:], ^uint64(0))
			}
			w = ^uint64(0)
		}
		w &^= ^uint64(0) >> (x1 & 63)
	}
	if w != 0 {
		putWord(row[at>>3:], w)
	}
}

// putWord is the inverse of word.
func putWord(b []byte, w uint64) {
	if len(b) >= 8 {
		binary.BigEndian.PutUint64(b, w)
		return
	}
	for i := range b {
		b[i] = byte(w >> (56 - 8*i))
	}
}
