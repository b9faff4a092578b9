package wire

import (
	"bytes"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// bombs are payloads that cost a decoder far more than they are worth.
var bombs = map[string]string{
	"array of 4 G":        "\xdd\xff\xff\xff\xff",
	"map of 4 G":          "\xdf\xff\xff\xff\xff",
	"array of 64 k":       "\xdc\xff\xff",
	"map of 64 k":         "\xde\xff\xff",
	"text of 4 G":         "\xdb\xff\xff\xff\xff",
	"octets of 4 G":       "\xc6\xff\xff\xff\xff",
	"list of events":      "\x81\xa1i\xdd\xff\xff\xff\xff",
	"nested arrays":       strings.Repeat("\xdd\x00\x0f\x42\x40", 6),
	"deep":                strings.Repeat("\x91", MaxPayload),
	"deep maps":           strings.Repeat("\x81\xa1a", 1000),
	"one too deep":        strings.Repeat("\x91", MaxDepth+1) + "\xc0",
	"many values":         "\xdc\x27\x11" + strings.Repeat("\xc0", 10_001),
	"extension":           "\xd4\x01\x00",
	"long extension":      "\xc9\xff\xff\xff\xff\x01",
	"never used":          "\xc1",
	"empty":               "",
	"cut number":          "\xcf\x00\x00",
	"cut length":          "\xdb\x00\x00",
	"cut text":            "\xa5abc",
	"cut map":             "\x82\xa1a\x01",
	"octets behind":       "\x80\x00",
	"text not UTF-8":      "\xa2\xff\xfe",
	"odd map":             "\x81\xa1a",
	"map of 64 k, padded": "\xde\xff\xff" + strings.Repeat("\xc0", 1000),
}

func TestPrecheckRefusesBombs(t *testing.T) {
	for name, b := range bombs {
		if err := precheck([]byte(b)); err == nil {
			t.Errorf("%s: passed", name)
		}
		for _, m := range messages() {
			if err := CheckThenDecode([]byte(b), m); err == nil {
				t.Errorf("%s: decoded as %T", name, m)
			}
		}
	}
}

func TestPrecheckAllocatesNothing(t *testing.T) {
	good, err := Encode(&JobList{Jobs: make([]fax.Job, 64)})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if err := precheck(good); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestPrecheckPassesWhatTheEncoderWrites tries every width of every value.
func TestPrecheckPassesWhatTheEncoderWrites(t *testing.T) {
	for _, v := range []any{
		nil, true, false, 0, 127, 128, 255, 256, 65535, 65536, 1 << 40, -1, -32, -33, -129, -40000, -1 << 40,
		uint8(200), uint16(60000), uint32(1 << 31), uint64(1 << 63), float32(1.5), 2.5,
		"", strings.Repeat("x", 31), strings.Repeat("x", 32), strings.Repeat("ü", 200), strings.Repeat("x", 60000),
		[]byte{}, make([]byte, 255), make([]byte, 256), make([]byte, 60000),
		make([]int, 15), make([]int, 16), make([]int, 9000), map[string]int{"a": 1}, bigMap(15), bigMap(16), bigMap(4000),
	} {
		b, err := msgpack.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := precheck(b); err != nil {
			t.Errorf("%T of %d octets: %v", v, len(b), err)
		}
		if err := precheck(b[:len(b)-1]); err == nil {
			t.Errorf("%T of %d octets passes cut short", v, len(b))
		}
	}
	deep := bytes.Repeat([]byte{0x91}, MaxDepth)
	if err := precheck(append(deep, 0xc0)); err != nil {
		t.Errorf("%d levels: %v", MaxDepth, err)
	}
}

func bigMap(n int) map[string]int {
	m := map[string]int{}
	for i := range n {
		m[strings.Repeat("k", i/100+1)+string(rune('a'+i%100))] = i
	}
	return m
}

// slowWalk is precheck as one would write it first: with recursion.
func slowWalk(b []byte, depth int, nodes *int) (rest []byte, ok bool) {
	if *nodes++; *nodes > MaxNodes {
		return nil, false
	}
	k, n, width, err := head(b)
	if err != nil || width+n > len(b) {
		return nil, false
	}
	body := b[width:]
	switch k {
	case text, octets:
		return body[n:], k == octets || strings.ToValidUTF8(string(body[:n]), "") == string(body[:n])
	case array, mapping:
		if depth == MaxDepth {
			return nil, false
		}
		for range n {
			if body, ok = slowWalk(body, depth+1, nodes); !ok {
				return nil, false
			}
		}
	}
	return body, true
}

func FuzzPrecheck(f *testing.F) {
	for _, b := range bombs {
		f.Add([]byte(b))
	}
	for _, m := range messages() {
		b, err := Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > MaxPayload {
			return
		}
		nodes := 0
		rest, ok := slowWalk(b, 0, &nodes)
		if got, want := precheck(b) == nil, ok && len(rest) == 0; got != want {
			t.Errorf("precheck says %v, the slow walk %v: %x", got, want, b)
		}
	})
}
