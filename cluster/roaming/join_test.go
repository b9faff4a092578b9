package roaming

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

var theKey = Key{Personal, "anna", "1"}

// anyMark is one of few, so that they meet.
func anyMark() *rapid.Generator[Mark] {
	return rapid.Custom(func(t *rapid.T) Mark {
		return Mark{
			Stamp:  Stamp(rapid.Uint64Range(1, 12).Draw(t, "stamp")),
			Origin: Origin{rapid.SampledFrom([]string{"east", "north", "west"}).Draw(t, "node"), rapid.Uint64Range(1, 2).Draw(t, "epoch")},
			Seq:    rapid.Uint64Range(1, 4).Draw(t, "seq"),
		}
	})
}

func anyRecord(fields int) *rapid.Generator[Record] {
	return rapid.Custom(func(t *rapid.T) Record {
		r := Record{Key: theKey, Cells: map[string]Cell{}}
		if rapid.Bool().Draw(t, "gone") {
			r.Gone = anyMark().Draw(t, "deletion")
		}
		for range rapid.IntRange(0, fields).Draw(t, "cells") {
			name := fmt.Sprintf("f%02d", rapid.IntRange(0, fields).Draw(t, "field"))
			r.Cells[name] = Cell{rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "value"), anyMark().Draw(t, "mark")}
		}
		return join(r, Record{Key: theKey}) // as a store would keep it
	})
}

// TestJoin: whoever joins what first, and how often, it comes to the same.
func TestJoin(t *testing.T) {
	for _, fields := range []int{3, MaxFields + 8} {
		rapid.Check(t, func(t *rapid.T) {
			of := anyRecord(fields)
			a, b, c := of.Draw(t, "a"), of.Draw(t, "b"), of.Draw(t, "c")
			ab, abc := join(a, b), join(join(a, b), c)
			if !reflect.DeepEqual(ab, join(b, a)) {
				t.Fatalf("not commutative: %v, %v", ab, join(b, a))
			}
			if other := join(a, join(b, c)); !reflect.DeepEqual(abc, other) {
				t.Fatalf("not associative: %v, %v", abc, other)
			}
			if again := join(abc, b); !reflect.DeepEqual(abc, again) {
				t.Fatalf("not idempotent: %v, %v", abc, again)
			}
			if len(abc.Cells) > MaxFields {
				t.Fatalf("%d fields", len(abc.Cells))
			}
		})
	}
}

func at(stamp Stamp, node string) Mark { return Mark{stamp, Origin{node, 1}, uint64(stamp)} }

func TestJoinTable(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b Record
		want map[string]string
	}{
		{"different fields", rec("name", "Anna", 1, "east"), rec("fax", "123", 1, "west"), map[string]string{"name": "Anna", "fax": "123"}},
		{"same field, the later wins", rec("name", "Anna", 2, "east"), rec("name", "Anne", 3, "west"), map[string]string{"name": "Anne"}},
		{"same field at once, the node decides", rec("name", "Anna", 2, "east"), rec("name", "Anne", 2, "west"), map[string]string{"name": "Anne"}},
		{"cleared later", rec("name", "Anna", 2, "east"), rec("name", "", 3, "west"), map[string]string{}},
		{"deleted later", rec("name", "Anna", 2, "east"), Record{Key: theKey, Gone: at(3, "west")}, map[string]string{}},
		{"written after the deletion", rec("fax", "123", 4, "east"), Record{Key: theKey, Gone: at(3, "west")}, map[string]string{"fax": "123"}},
	} {
		if got := join(c.a, c.b).Fields(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func rec(field, value string, stamp Stamp, node string) Record {
	return Record{Key: theKey, Cells: map[string]Cell{field: {value, at(stamp, node)}}}
}

// TestCodec: what is written is read, and written the same again.
func TestCodec(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Page{Wall: 5, Vector: Vector{}, Covered: Vector{{"north", 1}: 7}, More: rapid.Bool().Draw(t, "more"), Last: "k"}
		for range rapid.IntRange(0, 3).Draw(t, "records") {
			p.Records = append(p.Records, anyRecord(5).Draw(t, "record"))
			m := anyMark().Draw(t, "known")
			p.Vector[m.Origin] = m.Seq
		}
		got, err := DecodePage(p.Encode())
		if err != nil || !reflect.DeepEqual(p, got) {
			t.Fatalf("%v\n%v\n%v", err, p, got)
		}
	})
	want := Want{Buckets: &Buckets{3, 4}, After: "x"}
	if got, err := DecodeWant(want.Encode()); err != nil || !reflect.DeepEqual(want, got) {
		t.Errorf("%v, %v", got, err)
	}
	ask := Ask{Wall: 9, Vector: Vector{{"north", 1}: 7}, Skip: Vector{}}
	if got, err := DecodeAsk(ask.Encode()); err != nil || !reflect.DeepEqual(ask, got) {
		t.Errorf("%v, %v", got, err)
	}
}

// FuzzDecode: whatever comes in, what is taken for a page is one.
func FuzzDecode(f *testing.F) {
	p := Page{Wall: 5, Vector: Vector{{"north", 1}: 7}, Covered: Vector{}, Records: []Record{rec("name", "Anna", 1, "east"), {Key: theKey, Gone: at(3, "west"), Cells: map[string]Cell{}}}}
	f.Add(p.Encode())
	f.Add(Ask{Vector: Vector{{"north", 1}: 7}}.Encode())
	f.Add(Want{Buckets: &Buckets{1}}.Encode())
	f.Add([]byte{formatVersion, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, data []byte) {
		DecodeAsk(data)
		DecodeWant(data)
		p, err := DecodePage(data)
		if err != nil {
			return
		}
		for _, r := range p.Records {
			if err := r.Key.check(); err != nil || len(r.Cells) > MaxFields {
				t.Errorf("%v with %d fields: %v", r.Key, len(r.Cells), err)
			}
		}
		if again, err := DecodePage(p.Encode()); err != nil || !bytes.Equal(again.Encode(), p.Encode()) {
			t.Errorf("it is not read again: %v", err)
		}
	})
}
