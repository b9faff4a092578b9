// Package archive is a stream encrypted with a passphrase, of which any change
// and any cut is noticed.
//
// A file is a header and one or more segments:
//
//	"faxmesh backup 1" · time u32 · memory u32, KiB · threads u8 · salt, 32 octets · check, 16 octets
//	segment 0 · tag, 16 octets · segment 1 · tag · …
//
// Numbers have their highest octet first. Argon2id of passphrase and salt, with
// time, memory and threads, gives 64 octets: the key of the segments, then a key
// with which the check is the first half of the HMAC-SHA-256 of the header
// before it. Every segment holds segmentSize octets, the last one the rest. They
// are encrypted with AES-256-GCM; the nonce is the number of the segment, u64,
// three octets 0, and 1 if it is the last one, else 0; the header is
// authenticated with each.
package archive

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/argon2"
)

const (
	magic       = "faxmesh backup 1"
	saltLen     = 32
	checkLen    = 16
	headerLen   = len(magic) + 4 + 4 + 1 + saltLen + checkLen
	segmentSize = 64 << 10
	tagLen      = 16
)

// The cost of a passphrase: RFC 9106 clause 4, the second choice. A file may ask
// for more, up to the limits.
const (
	maxTime    = 16
	maxMemory  = 1 << 20 // KiB
	maxThreads = 64
)

type cost struct {
	time, memory uint32
	threads      uint8
}

var usual = cost{time: 3, memory: 64 << 10, threads: 4}

// Errors of a file that cannot be read.
var (
	ErrForeign    = errors.New("this is not a backup of faxmesh")
	ErrPassphrase = errors.New("the passphrase is wrong, or the beginning of the backup is damaged")
	ErrDamaged    = errors.New("the backup is damaged")
	ErrCut        = errors.New("the backup is cut off: its end is missing")
)

// keys derives the cipher, and the check of a header.
func keys(header []byte, passphrase string) (cipher.AEAD, []byte, error) {
	asked := header[len(magic):]
	time, memory, threads := binary.BigEndian.Uint32(asked), binary.BigEndian.Uint32(asked[4:]), asked[8]
	if time < 1 || time > maxTime || memory < 8*uint32(threads) || memory > maxMemory || threads < 1 || threads > maxThreads {
		return nil, nil, fmt.Errorf("%w: its passphrase would cost more than is allowed", ErrDamaged)
	}
	salt := asked[9 : 9+saltLen]
	derived := argon2.IDKey([]byte(passphrase), salt, time, memory, threads, 64)
	mac := hmac.New(sha256.New, derived[32:])
	mac.Write(header[:headerLen-checkLen])
	block, err := aes.NewCipher(derived[:32])
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	return aead, mac.Sum(nil)[:checkLen], err
}

func nonce(segment uint64, last bool) []byte {
	n := binary.BigEndian.AppendUint64(make([]byte, 0, 12), segment)
	if last {
		return append(n, 0, 0, 0, 1)
	}
	return append(n, 0, 0, 0, 0)
}

// Writer encrypts what is written to it.
type Writer struct {
	w       io.Writer
	aead    cipher.AEAD
	header  []byte
	segment uint64
	held    []byte // until it is known whether more follows
}

// NewWriter writes the header of a file.
func NewWriter(w io.Writer, passphrase string) (*Writer, error) {
	return newWriter(w, passphrase, usual)
}

func newWriter(w io.Writer, passphrase string, c cost) (*Writer, error) {
	header := make([]byte, 0, headerLen)
	header = append(header, magic...)
	header = binary.BigEndian.AppendUint32(header, c.time)
	header = binary.BigEndian.AppendUint32(header, c.memory)
	header = append(header, c.threads)
	header = header[:headerLen]
	rand.Read(header[headerLen-checkLen-saltLen : headerLen-checkLen]) // never fails
	aead, check, err := keys(header, passphrase)
	if err != nil {
		return nil, err
	}
	copy(header[headerLen-checkLen:], check)
	if _, err := w.Write(header); err != nil {
		return nil, err
	}
	return &Writer{w: w, aead: aead, header: header, held: make([]byte, 0, segmentSize+tagLen)}, nil
}

// Write implements io.Writer.
func (x *Writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if len(x.held) == segmentSize {
			if err := x.flush(false); err != nil {
				return n, err
			}
		}
		part := p[:min(len(p), segmentSize-len(x.held))]
		x.held = append(x.held, part...)
		p, n = p[len(part):], n+len(part)
	}
	return n, nil
}

func (x *Writer) flush(last bool) error {
	sealed := x.aead.Seal(x.held[:0], nonce(x.segment, last), x.held, x.header)
	x.segment++
	x.held = x.held[:0]
	_, err := x.w.Write(sealed)
	return err
}

// Close writes the last segment. Without it the file counts as cut off.
func (x *Writer) Close() error { return x.flush(true) }

// Reader decrypts a file. What it gives has been authenticated; only one that
// has given io.EOF has seen the whole.
type Reader struct {
	in      *bufio.Reader
	aead    cipher.AEAD
	header  []byte
	segment uint64
	buffer  []byte
	rest    []byte
	end     error // what every Read after the end gives
}

// NewReader reads the header of a file: ErrForeign, ErrPassphrase, ErrCut.
func NewReader(r io.Reader, passphrase string) (*Reader, error) {
	in := bufio.NewReaderSize(r, segmentSize+tagLen)
	header := make([]byte, headerLen)
	n, err := io.ReadFull(in, header)
	switch {
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil, err
	case n < len(magic) || !bytes.HasPrefix(header, []byte(magic)):
		return nil, ErrForeign
	case err != nil:
		return nil, ErrCut
	}
	aead, check, err := keys(header, passphrase)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(check, header[headerLen-checkLen:]) {
		return nil, ErrPassphrase
	}
	return &Reader{in: in, aead: aead, header: header, buffer: make([]byte, segmentSize+tagLen)}, nil
}

// Read implements io.Reader. ErrDamaged and ErrCut say what is wrong.
func (x *Reader) Read(p []byte) (int, error) {
	for len(x.rest) == 0 {
		if x.end != nil {
			return 0, x.end
		}
		x.next()
	}
	n := copy(p, x.rest)
	x.rest = x.rest[n:]
	return n, nil
}

// next opens a segment.
func (x *Reader) next() {
	n, err := io.ReadFull(x.in, x.buffer)
	last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !last {
		x.end = err
		return
	}
	if !last {
		_, err = x.in.Peek(1)
		last = errors.Is(err, io.EOF)
	}
	// Into memory of its own: a segment that does not open leaves none of it.
	opened, err := x.aead.Open(nil, nonce(x.segment, last), x.buffer[:n], x.header)
	switch {
	case err == nil && last:
		x.end = io.EOF
	case err != nil && last && n < len(x.buffer):
		x.end = fmt.Errorf("%w, or damaged behind octet %d", ErrCut, x.offset())
	case err != nil && last:
		x.end = fmt.Errorf("%w behind octet %d", ErrDamaged, x.offset())
		if _, err := x.aead.Open(nil, nonce(x.segment, false), x.buffer[:n], x.header); err == nil {
			x.end = ErrCut
		}
	case err != nil:
		x.end = fmt.Errorf("%w behind octet %d", ErrDamaged, x.offset())
	}
	if err == nil {
		x.rest = opened
		x.segment++
	}
}

// offset is where the segment begins in the file.
func (x *Reader) offset() uint64 { return uint64(headerLen) + x.segment*(segmentSize+tagLen) }
