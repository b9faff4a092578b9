package hdlc

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestFCSKnown(t *testing.T) {
	// An RCP frame as seen on real lines.
	rcp := []byte{0xFF, 0x03, 0x86}
	if got := AppendFCS(nil, rcp); !bytes.Equal(got, []byte{0x69, 0xCB}) {
		t.Errorf("FCS of RCP = % X, want 69 CB", got)
	}
	if !Check(AppendFCS(bytes.Clone(rcp), rcp)) {
		t.Error("Check refuses a right FCS")
	}
	if Check([]byte{0xFF, 0x03, 0x86, 0x69, 0xCA}) || Check(nil) || Check([]byte{0, 0}) {
		t.Error("Check accepts a wrong FCS")
	}
}

func TestAccessors(t *testing.T) {
	f := Append(nil, true, 0x8C, 1, 2)
	if !Valid(f) || !Final(f) || FCF(f) != 0x8C || !bytes.Equal(FIF(f), []byte{1, 2}) {
		t.Errorf("frame % X is read wrongly", f)
	}
	for _, short := range [][]byte{nil, {0xFF}, {0xFF, 0x13}} {
		if Valid(short) || FCF(short) != 0 || FIF(short) != nil {
			t.Errorf("frame % X taken for a whole one", short)
		}
	}
}

// randomFrames are rich in ones, so that stuffing is exercised.
func randomFrames(r *rand.Rand, n int) [][]byte {
	var fs [][]byte
	for range n {
		f := Append(nil, false, 0x06)
		for range r.IntN(257) {
			f = append(f, byte(r.Uint32()|r.Uint32()))
		}
		fs = append(fs, f)
	}
	return fs
}

func TestBlockRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	want := randomFrames(r, 256)
	stream := AppendBlock(nil, want, 45)
	noise := []byte{0x00, 0xFF, 0x55, 0xA7}
	for _, chunk := range []int{1, 7, len(stream)} {
		var d Decoder
		got := d.Feed(noise) // residue of the training
		for p := stream; len(p) > 0; p = p[min(chunk, len(p)):] {
			got = append(got, d.Feed(p[:min(chunk, len(p))])...)
		}
		if len(got) != len(want) {
			t.Fatalf("chunk %d: %d frames, want %d", chunk, len(got), len(want))
		}
		for i := range got {
			if !got[i].Good || !bytes.Equal(got[i].Data, want[i]) {
				t.Fatalf("chunk %d: frame %d differs", chunk, i)
			}
		}
		if f, ok := d.End(); ok {
			t.Errorf("chunk %d: a frame % X out of nothing", chunk, f.Data)
		}
	}
}

// A stream that starts in the middle of an octet is still read.
func TestAnyBitOffset(t *testing.T) {
	want := randomFrames(rand.New(rand.NewPCG(3, 4)), 3)
	stream := AppendBlock(nil, want, 4)
	for shift := range 8 {
		moved := make([]byte, len(stream)+1)
		for i, o := range stream {
			moved[i] |= o << shift
			moved[i+1] |= byte(uint16(o) >> (8 - shift))
		}
		var d Decoder
		if got := d.Feed(moved); len(got) != 3 || !got[0].Good || !bytes.Equal(got[2].Data, want[2]) {
			t.Errorf("shift %d: %d frames", shift, len(got))
		}
	}
}

func TestDamage(t *testing.T) {
	frames := randomFrames(rand.New(rand.NewPCG(5, 6)), 3)
	clean := AppendBlock(nil, frames, 2)
	for bit := range len(clean) * 8 {
		p := bytes.Clone(clean)
		p[bit/8] ^= 1 << (bit % 8)
		var d Decoder
		good := 0
		for _, f := range d.Feed(p) {
			if !f.Good {
				continue
			}
			good++
			if !bytes.Equal(f.Data, frames[0]) && !bytes.Equal(f.Data, frames[1]) && !bytes.Equal(f.Data, frames[2]) {
				t.Fatalf("bit %d: a damaged frame passes as good", bit)
			}
		}
		// A flag struck by the damage joins two frames.
		if good < 1 {
			t.Fatalf("bit %d: %d good frames", bit, good)
		}
	}
}

func TestClippedEnd(t *testing.T) {
	rcp := Append(nil, false, 0x86)
	stream := AppendBlock(nil, [][]byte{rcp}, 2)
	// Two lead flags, five octets with two stuffed bits: 58 bits, so the cut is
	// inside the closing flag.
	var d Decoder
	if got := d.Feed(stream[:8]); len(got) != 0 {
		t.Fatalf("%d frames before the closing flag", len(got))
	}
	if f, ok := d.End(); !ok || !f.Good || !bytes.Equal(f.Data, rcp) {
		t.Errorf("End = % X, %v; want the clipped RCP", f.Data, ok)
	}
}

func TestLongFrameIsBad(t *testing.T) {
	long := make([]byte, 4000)
	long[0] = Address
	var d Decoder
	got := d.Feed(AppendBlock(nil, [][]byte{long, Append(nil, false, 0x86)}, 1))
	if len(got) != 2 || got[0].Good || len(got[0].Data) > MaxFrame || !got[1].Good {
		t.Errorf("over-long frame handled wrongly: %d frames", len(got))
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add(AppendBlock(nil, [][]byte{Append(nil, false, 0x06, 0, 1, 2, 3)}, 2), 3)
	f.Fuzz(func(t *testing.T, p []byte, cut int) {
		var whole, parts Decoder
		want := whole.Feed(p)
		cut = min(max(cut, 0), len(p))
		got := append(parts.Feed(p[:cut]), parts.Feed(p[cut:])...)
		if len(got) != len(want) {
			t.Fatalf("%d frames in two parts, %d in one", len(got), len(want))
		}
		for i, fr := range got {
			if len(fr.Data) > MaxFrame || !bytes.Equal(fr.Data, want[i].Data) || fr.Good != want[i].Good {
				t.Fatalf("frame %d differs", i)
			}
			if fr.Good && !Check(AppendFCS(bytes.Clone(fr.Data), fr.Data)) {
				t.Fatal("good frame with a wrong FCS")
			}
		}
		whole.End()
	})
}
