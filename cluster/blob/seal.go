package blob

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
)

// A sealed file is a header and one or more segments:
//
//	"FXSEAL" · version u16 · key id, 8 octets · salt, 32 octets
//	segment 0 · tag, 16 octets · segment 1 · tag · …
//
// Every segment holds segmentSize octets of the content, the last one the rest:
// at least one octet, but for an empty document. The segments are encrypted
// with AES-256-GCM. The key of a file is HKDF-SHA-256 of the node's key, with
// the salt, for the purpose sealPurpose and the header's first 16 octets; the
// nonce is the number of the segment, u64, three octets 0, and 1 if it is the
// last one, else 0. No two segments share key and nonce, and a file that is
// shortened, lengthened or has its segments in another order does not open.
const (
	sealMagic   = "FXSEAL\x00\x01"
	sealPurpose = "faxmesh document at rest"
	keyIDLen    = 8
	saltLen     = 32
	headerLen   = len(sealMagic) + keyIDLen + saltLen
	segmentSize = 64 << 10
	tagLen      = 16
)

var (
	errSeal  = errors.New("the sealed file is damaged")
	errNoKey = errors.New("the document is sealed, but this node has no key; put the key file in place and start the node again")
)

// layout is what a sealed file of that many octets holds: octets of content in
// so many segments.
func layout(file int64) (content, segments int64, ok bool) {
	body := file - int64(headerLen)
	if body < tagLen {
		return 0, 0, false
	}
	const whole = segmentSize + tagLen
	segments = (body + whole - 1) / whole
	last := body - (segments-1)*whole
	if last < tagLen || (last == tagLen && segments > 1) {
		return 0, 0, false
	}
	return body - segments*tagLen, segments, true
}

// fileCipher is the cipher of the file with that header.
func (k *Key) fileCipher(header []byte) (cipher.AEAD, error) {
	head, salt := header[:headerLen-saltLen], header[headerLen-saltLen:]
	key, err := hkdf.Key(sha256.New, k.secret[:], salt, sealPurpose+string(head), 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func nonce(segment uint64, last bool) []byte {
	n := binary.BigEndian.AppendUint64(make([]byte, 0, 12), segment)
	return append(n, 0, 0, 0, b2i(last))
}

func b2i(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// sealer writes a sealed file. It holds the last segment back until it knows
// that it is not the last.
type sealer struct {
	w       io.Writer
	cipher  cipher.AEAD
	segment uint64
	part    []byte // of the content, with room for a tag
}

// seal begins a sealed file.
func (k *Key) seal(w io.Writer) (*sealer, error) {
	header := append([]byte(sealMagic), k.id[:]...)
	header = append(header, make([]byte, saltLen)...)
	rand.Read(header[headerLen-saltLen:]) // never fails
	c, err := k.fileCipher(header)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(header); err != nil {
		return nil, err
	}
	return &sealer{w: w, cipher: c, part: make([]byte, 0, segmentSize+tagLen)}, nil
}

func (s *sealer) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		if len(s.part) == segmentSize {
			if err := s.flush(false); err != nil {
				return written, err
			}
		}
		n := min(len(p), segmentSize-len(s.part))
		s.part = append(s.part, p[:n]...)
		p, written = p[n:], written+n
	}
	return written, nil
}

func (s *sealer) flush(last bool) error {
	sealed := s.cipher.Seal(s.part[:0], nonce(s.segment, last), s.part, nil)
	s.segment, s.part = s.segment+1, s.part[:0]
	_, err := s.w.Write(sealed)
	return err
}

// finish writes what was held back.
func (s *sealer) finish() error { return s.flush(true) }

// opener reads a sealed file. It gives no octet of a segment that it has not
// found whole.
type opener struct {
	r        io.Reader
	cipher   cipher.AEAD
	segment  uint64
	segments uint64
	sealed   []byte // room for a segment and its tag
	opened   []byte // of the content, not read yet
}

// open begins to read a sealed file of that many octets. errSeal says that it
// is none of this key's: LoadKey has seen that the store's key is the right one.
func (k *Key) open(r io.Reader, file int64) (*opener, error) {
	_, segments, ok := layout(file)
	header := make([]byte, headerLen)
	if !ok {
		return nil, errSeal
	}
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, errors.Join(errSeal, err)
	}
	if !bytes.HasPrefix(header, append([]byte(sealMagic), k.id[:]...)) {
		return nil, errSeal
	}
	c, err := k.fileCipher(header)
	if err != nil {
		return nil, err
	}
	return &opener{r: r, cipher: c, segments: uint64(segments), sealed: make([]byte, segmentSize+tagLen)}, nil
}

func (o *opener) Read(p []byte) (int, error) {
	for len(o.opened) == 0 {
		if o.segment == o.segments {
			return 0, io.EOF
		}
		if err := o.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, o.opened)
	o.opened = o.opened[n:]
	return n, nil
}

// next opens the next segment.
func (o *opener) next() error {
	last := o.segment+1 == o.segments
	n, err := io.ReadFull(o.r, o.sealed)
	if err != nil && !(last && errors.Is(err, io.ErrUnexpectedEOF)) {
		return errors.Join(errSeal, err)
	}
	opened, err := o.cipher.Open(o.sealed[:0], nonce(o.segment, last), o.sealed[:n], nil)
	if err != nil {
		return errSeal
	}
	o.segment, o.opened = o.segment+1, opened
	return nil
}
