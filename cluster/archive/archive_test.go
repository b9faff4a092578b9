package archive

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

func sealed(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := newWriter(&b, "a passphrase", cost{1, 64, 1})
	if err != nil {
		t.Fatal(err)
	}
	for rest := content; len(rest) > 0; { // in pieces that fit no segment
		n := min(len(rest), 10_007)
		if _, err := w.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func opened(file []byte, passphrase string) ([]byte, error) {
	r, err := NewReader(bytes.NewReader(file), passphrase)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func content(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func TestRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, segmentSize, segmentSize + 1, 2 * segmentSize} {
		want := content(n)
		file := sealed(t, want)
		got, err := opened(file, "a passphrase")
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d octets: %d come back, %v", n, len(got), err)
		}
		if n > 32 && bytes.Contains(file, want[:32]) {
			t.Errorf("%d octets are not encrypted", n)
		}
	}
}

// TestUsualCost: what is written asks for the cost that is documented.
func TestUsualCost(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b, "a passphrase")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := opened(b.Bytes(), "a passphrase"); err != nil || len(got) != 0 {
		t.Errorf("an empty file gives %d octets, %v", len(got), err)
	}
	if asked := b.Bytes()[len(magic) : len(magic)+9]; !bytes.Equal(asked, []byte{0, 0, 0, 3, 0, 1, 0, 0, 4}) {
		t.Errorf("the passphrase costs %v", asked)
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	file := sealed(t, content(3*segmentSize))
	if _, err := opened(file, "another"); !errors.Is(err, ErrPassphrase) {
		t.Errorf("another passphrase: %v", err)
	}
	const whole = segmentSize + tagLen
	with := func(change func(f []byte) []byte) []byte { return change(bytes.Clone(file)) }
	for what, c := range map[string]struct {
		file []byte
		want error
	}{
		"empty":             {nil, ErrForeign},
		"another file":      {[]byte("SQLite format 3, and so on"), ErrForeign},
		"cut in the header": {file[:30], ErrCut},
		"the header alone":  {file[:headerLen], ErrCut},
		"cut at a segment":  {file[:headerLen+2*whole], ErrCut},
		"cut in a segment":  {file[:headerLen+whole+100], ErrCut},
		"one octet less":    {file[:len(file)-1], ErrCut},
		"one octet more":    {append(bytes.Clone(file), 0), ErrDamaged},
		"a flipped bit":     {with(func(f []byte) []byte { f[headerLen+whole+5] ^= 4; return f }), ErrDamaged},
		"the last bit":      {with(func(f []byte) []byte { f[len(f)-1] ^= 1; return f }), ErrDamaged},
		"a changed salt":    {with(func(f []byte) []byte { f[len(magic)+10] ^= 1; return f }), ErrPassphrase},
		"a greedy header":   {with(func(f []byte) []byte { f[len(magic)+4] = 0xff; return f }), ErrDamaged},
		"no threads":        {with(func(f []byte) []byte { f[len(magic)+8] = 0; return f }), ErrDamaged},
		"a segment missing": {with(func(f []byte) []byte { return append(f[:headerLen], f[headerLen+whole:]...) }), ErrDamaged},
		"segments exchanged": {with(func(f []byte) []byte {
			a, b := bytes.Clone(f[headerLen:headerLen+whole]), f[headerLen+whole:headerLen+2*whole]
			copy(f[headerLen:], b)
			copy(f[headerLen+whole:], a)
			return f
		}), ErrDamaged},
	} {
		if _, err := opened(c.file, "a passphrase"); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > headerLen-checkLen { // the cost of passphrases is not what is tried here
			copy(file[len(magic):], []byte{0, 0, 0, 1, 0, 0, 0, 64, 1})
		}
		if _, err := opened(file, "a passphrase"); err == nil {
			t.Error("octets from nowhere are taken for a backup")
		}
	})
}
