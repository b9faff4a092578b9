package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestFramesComeBack(t *testing.T) {
	for _, f := range []Frame{
		{Type: PING},
		{Type: REQ, Stream: 1, Payload: []byte{0x80}},
		{Type: DATA, Flags: End, Stream: 1<<32 - 1, Payload: make([]byte, MaxPayload)},
	} {
		var b bytes.Buffer
		if err := WriteFrame(&b, f); err != nil {
			t.Fatal(err)
		}
		got, err := ReadFrame(iotest.OneByteReader(&b), MaxPayload)
		if err != nil || got.Type != f.Type || got.Flags != f.Flags || got.Stream != f.Stream || !bytes.Equal(got.Payload, f.Payload) {
			t.Errorf("%v came back as %v, %v", f.Type, got.Type, err)
		}
	}
	if err := WriteFrame(io.Discard, Frame{Type: DATA, Payload: make([]byte, MaxPayload+1)}); !errors.Is(err, ErrFrame) {
		t.Errorf("too large a frame: %v", err)
	}
}

func TestFrameLayout(t *testing.T) {
	var b bytes.Buffer
	if err := WriteFrame(&b, Frame{Type: RES, Flags: More, Stream: 0x01020304, Payload: []byte("ab")}); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "\x00\x00\x00\x02\x02\x01\x01\x02\x03\x04ab"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestBadFrames(t *testing.T) {
	for name, c := range map[string]struct {
		octets string
		limit  int
		want   error
	}{
		"nothing":      {"", MaxPayload, io.EOF},
		"cut header":   {"\x00\x00\x00", MaxPayload, io.ErrUnexpectedEOF},
		"cut payload":  {"\x00\x00\x00\x05\x01\x00\x00\x00\x00\x01abc", MaxPayload, io.ErrUnexpectedEOF},
		"no payload":   {"\x00\x00\x00\x05\x01\x00\x00\x00\x00\x01", MaxPayload, io.ErrUnexpectedEOF},
		"oversized":    {"\x00\x01\x00\x01\x01\x00\x00\x00\x00\x01", MaxPayload, ErrFrame},
		"4 G":          {"\xff\xff\xff\xff\x01\x00\x00\x00\x00\x01", MaxPayload, ErrFrame},
		"early":        {"\x00\x00\x10\x01\x01\x00\x00\x00\x00\x01", MaxEarlyPayload, ErrFrame},
		"type 0":       {"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", MaxPayload, ErrFrame},
		"unknown type": {"\x00\x00\x00\x00\x7f\x00\x00\x00\x00\x01", MaxPayload, ErrFrame},
		"web browser":  {"GET / HTTP/1.1\r\n\r\n", MaxPayload, ErrFrame},
	} {
		if _, err := ReadFrame(strings.NewReader(c.octets), c.limit); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestPreface(t *testing.T) {
	for _, c := range []struct {
		octets  string
		version uint8
		ok      bool
	}{
		{"FAX1\x01\x01\x00\x00", 1, true},
		{"FAX1\x01\xff\x00\x00", 1, true},
		{"FAX1\x02\x03\x00\x00", 0, true},
		{"FAX1\x00\x01\x00\x00", 0, false},
		{"FAX1\x03\x02\x00\x00", 0, false},
		{"FAX2\x01\x01\x00\x00", 0, false},
		{"GET / HTTP/1.1", 0, false},
		{"FAX1\x01", 0, false},
	} {
		p, err := ReadPreface(strings.NewReader(c.octets))
		if (err == nil) != c.ok || c.ok && p.Choose() != c.version {
			t.Errorf("%q: %+v, %v", c.octets, p, err)
		}
		if !c.ok {
			continue
		}
		var b bytes.Buffer
		answer := NewAnswer(p)
		if err := answer.Write(&b); err != nil {
			t.Fatal(err)
		}
		got, err := ReadAnswer(&b)
		if (err == nil) != (c.version != 0) || err == nil && got != answer {
			t.Errorf("%q answered %+v, %v", c.octets, got, err)
		}
	}
	for _, octets := range []string{"", "FAX1", "FAX1\x02\x01\x02\x00" + strings.Repeat("\xff", 12), "FAX1\x01\x01\x01\x00" + strings.Repeat("\x00", 12), "SSH-2.0-OpenSSH_9.2p1 x"} {
		if a, err := ReadAnswer(strings.NewReader(octets)); err == nil {
			t.Errorf("%q read as %+v", octets, a)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02\x02\x01\x01\x02\x03\x04ab"))
	f.Add([]byte("\xff\xff\xff\xff\x01\x00\x00\x00\x00\x01"))
	f.Add([]byte("FAX1\x01\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = ReadPreface(bytes.NewReader(b))
		_, _ = ReadAnswer(bytes.NewReader(b))
		in := bytes.NewReader(b)
		for {
			before := in.Len()
			frame, err := ReadFrame(in, MaxEarlyPayload)
			if err != nil {
				return
			}
			var out bytes.Buffer
			if err := WriteFrame(&out, frame); err != nil {
				t.Fatal(err)
			}
			if read := b[len(b)-before : len(b)-in.Len()]; !bytes.Equal(read, out.Bytes()) {
				t.Fatalf("%x is written as %x", read, out.Bytes())
			}
		}
	})
}
