package blob

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// pattern is content of a length, the same each time.
func pattern(n int) []byte {
	b := make([]byte, n)
	random := rand.NewChaCha8([32]byte{7})
	random.Read(b)
	return b
}

func sealed(t testing.TB, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	s, err := testKey.seal(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(s, iotest.HalfReader(bytes.NewReader(content))); err != nil {
		t.Fatal(err)
	}
	if err := s.finish(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// unseal reads as much of a sealed file as can be had.
func unseal(k *Key, file []byte) ([]byte, error) {
	o, err := k.open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(o)
}

func TestSealAndOpen(t *testing.T) {
	for _, n := range []int{0, 1, segmentSize - 1, segmentSize, segmentSize + 1, 3 * segmentSize, 3*segmentSize + 17} {
		content := pattern(n)
		file := sealed(t, content)
		if size, segments, ok := layout(int64(len(file))); !ok || size != int64(n) || segments != max(1, int64(n+segmentSize-1)/segmentSize) {
			t.Errorf("%d octets: layout %d, %d, %v", n, size, segments, ok)
		}
		if got, err := unseal(testKey, file); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d octets: %d come back, %v", n, len(got), err)
		}
		if n > 16 && bytes.Contains(file, content[:16]) {
			t.Errorf("%d octets are in the clear", n)
		}
		if again := sealed(t, content); bytes.Equal(again, file) {
			t.Errorf("%d octets: two files with the same salt", n)
		}
		other := newKey(bytes.Repeat([]byte{1}, 32))
		if _, err := unseal(other, file); !errors.Is(err, errSeal) {
			t.Errorf("%d octets, another key: %v", n, err)
		}
	}
}

// Segments that were cut off, left out, doubled or put in another order are
// found before an octet of them is given out.
func TestSegmentsKeepTheirPlaces(t *testing.T) {
	content := pattern(3*segmentSize + 100)
	file := sealed(t, content)
	const whole = segmentSize + tagLen
	head, seg := file[:headerLen], func(i int) []byte { return file[headerLen+i*whole : min(headerLen+(i+1)*whole, len(file))] }
	join := func(parts ...[]byte) []byte { return bytes.Join(append([][]byte{head}, parts...), nil) }
	for what, c := range map[string]struct {
		file []byte
		good int // segments that are given out
	}{
		"the end is cut off":  {join(seg(0), seg(1), seg(2)), 2},
		"only the first":      {join(seg(0)), 0},
		"only the last":       {join(seg(3)), 0},
		"one is left out":     {join(seg(0), seg(2), seg(3)), 1},
		"two are exchanged":   {join(seg(0), seg(2), seg(1), seg(3)), 1},
		"one is doubled":      {join(seg(0), seg(0), seg(1), seg(2), seg(3)), 1},
		"the last is doubled": {join(seg(0), seg(1), seg(2), seg(3), seg(3)), 3},
		"nothing":             {join(), 0},
		"an empty end":        {join(seg(0), seg(1), seg(2), make([]byte, tagLen)), 0},
	} {
		got, err := unseal(testKey, c.file)
		if !errors.Is(err, errSeal) || !bytes.Equal(got, content[:c.good*segmentSize]) {
			t.Errorf("%s: %d octets, %v", what, len(got), err)
		}
	}
	// The header is bound to all segments.
	for i := range headerLen {
		bad := bytes.Clone(file)
		bad[i] ^= 1
		if got, err := unseal(testKey, bad); !errors.Is(err, errSeal) || len(got) > 0 {
			t.Errorf("octet %d of the header: %d octets, %v", i, len(got), err)
		}
	}
}

// Whatever a file holds, the reader gives what was sealed, or a beginning of it
// and an error.
func FuzzOpen(f *testing.F) {
	content := pattern(segmentSize + 50)
	file := sealed(f, content)
	f.Add(uint32(0), byte(0), uint32(len(file)), []byte(nil))
	f.Add(uint32(20), byte(1), uint32(len(file)), []byte(nil))
	f.Add(uint32(headerLen+9), byte(128), uint32(len(file)), []byte("end"))
	f.Add(uint32(0), byte(0), uint32(headerLen+tagLen), []byte(nil))
	f.Add(uint32(0), byte(0), uint32(0), []byte(sealMagic+strings.Repeat("x", 100)))
	f.Fuzz(func(t *testing.T, at uint32, flip byte, length uint32, tail []byte) {
		bad := bytes.Clone(file)
		bad[int(at)%len(bad)] ^= flip
		bad = append(bad[:min(int(length), len(bad))], tail...)
		got, err := unseal(testKey, bad)
		if !bytes.HasPrefix(content, got) {
			t.Fatalf("%d octets that were never sealed", len(got))
		}
		if (err == nil) != bytes.Equal(bad, file) {
			t.Fatalf("changed %v, and %v", !bytes.Equal(bad, file), err)
		}
	})
}

// zeros is endless content, read in large parts.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A document is never whole in memory: storing and reading a large one takes as
// little as a small one.
func TestMemoryDoesNotGrowWithTheDocument(t *testing.T) {
	const size, bound = 64 << 20, 4 << 20
	inBothForms(t, func(t *testing.T, seal bool) {
		s := open(t, t.TempDir(), seal)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		doc, err := s.Put(io.LimitReader(zeros{}, size))
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Open(doc.Hash)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if n, err := io.Copy(io.Discard, r); n != size || err != nil {
			t.Fatal(n, err)
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > bound {
			t.Errorf("%d octets were allocated for a document of %d", used, size)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	for name, seal := range map[string]bool{"plain": false, "sealed": true} {
		b.Run(name, func(b *testing.B) {
			const size = 32 << 20
			s, err := Open(Config{Dir: b.TempDir(), Key: testKey, Seal: seal, Logger: quiet})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(size)
			for b.Loop() {
				if _, err := s.Put(io.LimitReader(zeros{}, size)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for name, seal := range map[string]bool{"plain": false, "sealed": true} {
		b.Run(name, func(b *testing.B) {
			const size = 32 << 20
			s, err := Open(Config{Dir: b.TempDir(), Key: testKey, Seal: seal, Logger: quiet})
			if err != nil {
				b.Fatal(err)
			}
			doc, err := s.Put(io.LimitReader(zeros{}, size))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(size)
			for b.Loop() {
				if err := s.Verify(doc.Hash, func(int) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSeal is the encryption alone.
func BenchmarkSeal(b *testing.B) {
	part := make([]byte, 1<<20)
	s, err := testKey.seal(io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(part)))
	for b.Loop() {
		if _, err := s.Write(part); err != nil {
			b.Fatal(err)
		}
	}
}

// A gigabyte and more; the usual limit is a quarter of one.
func BenchmarkGigabyte(b *testing.B) {
	if os.Getenv("FAXMESH_GIGABYTE") == "" {
		b.Skip("set FAXMESH_GIGABYTE=1; it writes 1 GiB")
	}
	s, err := Open(Config{Dir: b.TempDir(), Key: testKey, Seal: true, Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	s.max = 1 << 30
	b.SetBytes(s.max)
	b.ReportAllocs()
	for b.Loop() {
		doc, err := s.Put(io.LimitReader(zeros{}, s.max))
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Verify(doc.Hash, func(int) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
