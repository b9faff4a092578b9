package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const magic = "FAX1"

// The versions that this build speaks.
const (
	MinVersion = 1
	MaxVersion = 1
)

// ErrNotFaxmesh says that the other side speaks something else.
var ErrNotFaxmesh = errors.New("the other side does not speak the faxmesh protocol: check the port")

// Preface opens a connection: magic (4), lowest and highest version (1 each),
// flags (2, zero).
type Preface struct{ Min, Max uint8 }

// Write sends the preface.
func (p Preface) Write(w io.Writer) error {
	b := append([]byte(magic), p.Min, p.Max, 0, 0)
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("send preface: %w", err)
	}
	return nil
}

// ReadPreface reads a preface, never more than its eight octets.
func ReadPreface(r io.Reader) (Preface, error) {
	var b [8]byte
	if err := readMagic(r, b[:]); err != nil {
		return Preface{}, err
	}
	p := Preface{Min: b[4], Max: b[5]}
	if p.Min == 0 || p.Min > p.Max {
		return Preface{}, fmt.Errorf("preface offers versions %d to %d, which is no range", p.Min, p.Max)
	}
	return p, nil
}

// Choose is the highest version that both sides speak, 0 if there is none.
func (p Preface) Choose() uint8 {
	v := min(p.Max, MaxVersion)
	if v < p.Min || v < MinVersion {
		return 0
	}
	return v
}

// Answer replies to a preface: magic (4), version or 0 for none (1), the
// answerer's lowest and highest version (1 each), flags (1, zero), then the
// limits: payload and window in octets (4 each), streams (2), zero (2).
type Answer struct {
	Version uint8
	Min     uint8
	Max     uint8
	Payload uint32
	Window  uint32
	Streams uint16
}

// NewAnswer answers p with this build's limits.
func NewAnswer(p Preface) Answer {
	return Answer{Version: p.Choose(), Min: MinVersion, Max: MaxVersion,
		Payload: MaxPayload, Window: Window, Streams: MaxStreams}
}

// Write sends the answer.
func (a Answer) Write(w io.Writer) error {
	b := append([]byte(magic), a.Version, a.Min, a.Max, 0)
	b = binary.BigEndian.AppendUint32(b, a.Payload)
	b = binary.BigEndian.AppendUint32(b, a.Window)
	b = binary.BigEndian.AppendUint16(b, a.Streams)
	b = append(b, 0, 0)
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("answer preface: %w", err)
	}
	return nil
}

// ReadAnswer reads the answer to a preface, never more than its twenty octets.
// The limits in it are brought within this build's own.
func ReadAnswer(r io.Reader) (Answer, error) {
	var b [20]byte
	if err := readMagic(r, b[:]); err != nil {
		return Answer{}, err
	}
	a := Answer{Version: b[4], Min: b[5], Max: b[6],
		Payload: min(binary.BigEndian.Uint32(b[8:]), MaxPayload),
		Window:  min(binary.BigEndian.Uint32(b[12:]), Window),
		Streams: min(binary.BigEndian.Uint16(b[16:]), MaxStreams)}
	switch {
	case a.Version == 0:
		return Answer{}, fmt.Errorf("the other side speaks versions %d to %d of the protocol, this program %d to %d: update the older one",
			a.Min, a.Max, MinVersion, MaxVersion)
	case a.Version < MinVersion || a.Version > MaxVersion:
		return Answer{}, fmt.Errorf("the other side chose version %d of the protocol, which was not offered", a.Version)
	case a.Payload < Chunk || a.Window < Chunk || a.Streams == 0:
		return Answer{}, errors.New("the other side's limits are too small to work with")
	}
	return a, nil
}

func readMagic(r io.Reader, b []byte) error {
	if _, err := io.ReadFull(r, b[:len(magic)]); err != nil {
		return fmt.Errorf("read preface: %w", err)
	}
	if string(b[:len(magic)]) != magic {
		return ErrNotFaxmesh
	}
	if _, err := io.ReadFull(r, b[len(magic):]); err != nil {
		return fmt.Errorf("read preface: %w", err)
	}
	return nil
}
