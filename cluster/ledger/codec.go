package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// MaxCommand is the greatest length of an encoded command in octets. The
// largest that people can make (an assignment to fax.MaxAssign accounts) is
// far below it; raft wants entries small.
const MaxCommand = 32 << 10

// ErrUnknownCommand is returned for a number that this program does not know:
// the log was written by a newer one.
var ErrUnknownCommand = errors.New("the log holds a command that this program does not know; upgrade it")

// decoders is the table of the numbers. Append only.
var decoders = [...]func([]byte) (Command, error){
	1:  decodeAs[AddAccount],
	2:  decodeAs[SetPassword],
	3:  decodeAs[SetRights],
	4:  decodeAs[DropAccount],
	5:  decodeAs[PutNode],
	6:  decodeAs[DropNode],
	7:  decodeAs[PutToken],
	8:  decodeAs[SpendToken],
	9:  decodeAs[PutDialRule],
	10: decodeAs[DropDialRule],
	11: decodeAs[PutRoute],
	12: decodeAs[Submit],
	13: decodeAs[Assign],
	14: decodeAs[Progress],
	15: decodeAs[Finish],
	16: decodeAs[Direct],
	17: decodeAs[Receive],
	18: decodeAs[AssignFax],
	19: decodeAs[Note],
	20: decodeAs[EndSession],
	21: decodeAs[Import],
	22: decodeAs[Ashore],
	23: decodeAs[Recover],
	24: decodeAs[Rebuild],
	25: decodeAs[Once],
	26: decodeAs[TurnKeys],
	27: decodeAs[TakeBack],
}

func (AddAccount) number() uint16   { return 1 }
func (SetPassword) number() uint16  { return 2 }
func (SetRights) number() uint16    { return 3 }
func (DropAccount) number() uint16  { return 4 }
func (PutNode) number() uint16      { return 5 }
func (DropNode) number() uint16     { return 6 }
func (PutToken) number() uint16     { return 7 }
func (SpendToken) number() uint16   { return 8 }
func (PutDialRule) number() uint16  { return 9 }
func (DropDialRule) number() uint16 { return 10 }
func (PutRoute) number() uint16     { return 11 }
func (Submit) number() uint16       { return 12 }
func (Assign) number() uint16       { return 13 }
func (Progress) number() uint16     { return 14 }
func (Finish) number() uint16       { return 15 }
func (Direct) number() uint16       { return 16 }
func (Receive) number() uint16      { return 17 }
func (AssignFax) number() uint16    { return 18 }
func (Note) number() uint16         { return 19 }
func (EndSession) number() uint16   { return 20 }
func (Import) number() uint16       { return 21 }
func (Ashore) number() uint16       { return 22 }
func (Recover) number() uint16      { return 23 }
func (Rebuild) number() uint16      { return 24 }
func (Once) number() uint16         { return 25 }
func (TurnKeys) number() uint16     { return 26 }
func (TakeBack) number() uint16     { return 27 }

// Encode writes a command: its number, two octets with the high one first,
// then its fields as a msgpack map.
func Encode(c Command) ([]byte, error) {
	body, err := marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode command %d: %w", c.number(), err)
	}
	if limit := mostOf(c.number()); 2+len(body) > limit {
		return nil, fmt.Errorf("command %d is %d octets long; at most %d are allowed", c.number(), 2+len(body), limit)
	}
	return append(binary.BigEndian.AppendUint16(nil, c.number()), body...), nil
}

// Decode reads what Encode writes. A number it does not know is
// ErrUnknownCommand; unknown fields of a known command are ignored.
func Decode(data []byte) (Command, error) {
	n, ok := numberOf(data)
	if limit := mostOf(n); !ok || len(data) > limit {
		return nil, fmt.Errorf("a command of %d octets; 2 to %d are allowed", len(data), limit)
	}
	if !known(n) {
		return nil, fmt.Errorf("number %d: %w", n, ErrUnknownCommand)
	}
	c, err := decoders[n](data[2:])
	if err != nil {
		return nil, fmt.Errorf("decode command %d: %w", n, err)
	}
	switch c := c.(type) {
	case Import:
		return c, c.checkKnown()
	case Once:
		return c.opened()
	}
	return c, nil
}

func numberOf(data []byte) (n uint16, ok bool) {
	if len(data) < 2 {
		return 0, false
	}
	return binary.BigEndian.Uint16(data), true
}

func known(n uint16) bool { return int(n) < len(decoders) && decoders[n] != nil }

func decodeAs[C Command](body []byte) (Command, error) {
	var c C
	err := unmarshal(body, &c)
	return c, err
}

// mostOf is how long a command of a number may be.
func mostOf(number uint16) int {
	switch number {
	case Import{}.number():
		return MaxImport
	case Once{}.number():
		return MaxImport + OnceOverhead
	}
	return MaxCommand
}

// EncodeResult writes a result for the way back to the node that asked.
func EncodeResult(r Result) ([]byte, error) { return marshal(r) }

// DecodeResult reads what EncodeResult writes.
func DecodeResult(data []byte) (Result, error) {
	var r Result
	if err := unmarshal(data, &r); err != nil {
		return Result{}, fmt.Errorf("decode a result: %w", err)
	}
	return r, nil
}

// marshal is msgpack with the shortest form of every integer. Structs only,
// whose fields keep their order: the same value is the same octets everywhere.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := msgpack.NewEncoder(&buf)
	enc.UseCompactInts(true)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// unmarshal is the only way from octets to values in this package: the shape
// is checked before the decoder, which believes any count it reads, sees it.
func unmarshal(data []byte, v any) error {
	if err := checkShape(data); err != nil {
		return err
	}
	return msgpack.Unmarshal(data, v)
}
