package ledger

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/vmihailenco/msgpack/v5"
)

// numbers are those that logs hold. They only ever grow at the end.
var numbers = []Command{
	AddAccount{}, SetPassword{}, SetRights{}, DropAccount{},
	PutNode{}, DropNode{}, PutToken{}, SpendToken{}, PutDialRule{}, DropDialRule{}, PutRoute{},
	Submit{}, Assign{}, Progress{}, Finish{}, Direct{},
	Receive{}, AssignFax{}, Note{}, EndSession{}, Import{}, Ashore{}, Recover{}, Rebuild{}, Once{}, TurnKeys{}, TakeBack{},
}

func TestNumbersStay(t *testing.T) {
	if len(decoders) != len(numbers)+1 {
		t.Fatalf("%d decoders for %d commands", len(decoders)-1, len(numbers))
	}
	for i, c := range numbers {
		if int(c.number()) != i+1 {
			t.Errorf("%T has number %d, logs hold %d", c, c.number(), i+1)
		}
		data, err := Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(data)
		if err != nil || reflect.TypeOf(got) != reflect.TypeOf(c) {
			t.Errorf("number %d is read as %T, %v; it is %T", i+1, got, err, c)
		}
	}
}

func TestUnknownNumberStopsTheNode(t *testing.T) {
	l := fresh(t)
	good, err := Encode(account("clerk", fax.Individual))
	if err != nil {
		t.Fatal(err)
	}
	before := dump(t, l, true)
	for _, unknown := range [][]byte{{0, 0, 0x80}, {0, byte(len(decoders)), 0x80}, {0xff, 0xff, 0x80}} {
		if _, err := l.ApplyBatch([]Entry{{1, good}, {2, unknown}}); !errors.Is(err, ErrUnknownCommand) {
			t.Errorf("% x was applied with %v", unknown, err)
		}
		if dump(t, l, true) != before {
			t.Fatalf("a batch with % x left something behind", unknown)
		}
	}
	// A damaged command of a known number is the same for everyone.
	results, err := l.ApplyBatch([]Entry{{1, []byte{0, 1, 0x81}}, {2, good}})
	if err != nil || results[0].Err == nil || results[0].Err.Kind != fax.Invalid || results[1].Err != nil {
		t.Errorf("a damaged command: %+v, %v", results, err)
	}
}

// Fields may be added: who does not know them reads the rest.
func TestUnknownFieldIsIgnored(t *testing.T) {
	body, err := msgpack.Marshal(map[string]any{"n": "clerk", "zz": []int{1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := Decode(append([]byte{0, 4}, body...))
	if err != nil || c != (DropAccount{Name: "clerk"}) {
		t.Errorf("%#v, %v", c, err)
	}
}

func TestResultThereAndBack(t *testing.T) {
	want := Result{Index: 7, Err: &fax.Error{Kind: fax.Conflict, Text: "no"}, Job: &fax.Job{ID: "j", State: fax.Held, Last: &fax.Attempt{Number: 1}}}
	data, err := EncodeResult(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeResult(data); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := DecodeResult(data[:len(data)-1]); err == nil {
		t.Error("half a result was read")
	}
}

func TestShape(t *testing.T) {
	deep := func(n int) []byte { return append(bytes.Repeat([]byte{0x91}, n), 0xc0) }
	for name, c := range map[string]struct {
		data []byte
		ok   bool
	}{
		"nil":              {[]byte{0xc0}, true},
		"map":              {[]byte{0x81, 0xa1, 'a', 0xcd, 1, 2}, true},
		"floats":           {[]byte{0x92, 0xca, 0, 0, 0, 0, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0}, true},
		"integers":         {[]byte{0x94, 0xcc, 1, 0xd1, 1, 2, 0xce, 1, 2, 3, 4, 0xd3, 1, 2, 3, 4, 5, 6, 7, 8}, true},
		"str 8":            {[]byte{0xd9, 1, 'a'}, true},
		"bin 16":           {[]byte{0xc5, 0, 1, 'a'}, true},
		"array 16":         {[]byte{0xdc, 0, 1, 1}, true},
		"map 32":           {[]byte{0xdf, 0, 0, 0, 1, 1, 2}, true},
		"deep enough":      {deep(maxDepth), true},
		"too deep":         {deep(maxDepth + 1), false},
		"many":             {append([]byte{0xdc, 0x0f, 0xff}, bytes.Repeat([]byte{1}, maxItems-1)...), true},
		"too many":         {append([]byte{0xdc, 0x10, 0x00}, bytes.Repeat([]byte{1}, maxItems)...), false},
		"empty":            {nil, false},
		"two values":       {[]byte{1, 2}, false},
		"cut string":       {[]byte{0xa2, 'a'}, false},
		"cut integer":      {[]byte{0xcd, 1}, false},
		"cut length":       {[]byte{0xdb, 0, 0}, false},
		"array bomb":       {[]byte{0xdd, 0xff, 0xff, 0xff, 0xff}, false},
		"map bomb":         {[]byte{0xdf, 0x7f, 0xff, 0xff, 0xff}, false},
		"extension":        {[]byte{0xd4, 0, 0}, false},
		"reserved":         {[]byte{0xc1}, false},
		"children missing": {[]byte{0x92, 1}, false},
	} {
		if err := checkShape(c.data); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	seeds := append([]Command{account("clerk", fax.Individual), job("j", "clerk", 2), assign("j", 1)}, numbers...)
	for _, c := range seeds {
		data, err := Encode(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("\x00\x12\x81\xa1a\xdd\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Decode(data)
		if err != nil {
			return
		}
		// What was read is written, and read again as the same.
		again, err := Encode(c)
		if err != nil {
			return // the shortest form may still be over the limit
		}
		d, err := Decode(again)
		if err != nil {
			t.Fatalf("%#v is written as % x, which is not read: %v", c, again, err)
		}
		third, err := Encode(d)
		if err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%#v is written as % x and % x, %v", c, again, third, err)
		}
	})
}
