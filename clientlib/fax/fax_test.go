package fax

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheckName(t *testing.T) {
	for _, good := range []string{"reception", "Dr. Müller", "ward-3_b", "記録", "a", strings.Repeat("x", MaxName)} {
		if err := CheckName("account", good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", " a", "a ", "a\x00b", "a\nb", "a\u202eb", "a\u200bb", "../etc", `a\b`, "a:b", "a@b", "a;b", `"a"`,
		"a'b", "a*", "100%", "\xff", strings.Repeat("x", MaxName+1)} {
		err := CheckName("account", bad)
		if KindOf(err) != Invalid || err == nil {
			t.Errorf("%q is taken for a name", bad)
			continue
		}
		if text := err.Error(); !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\n\u202e\u200b") {
			t.Errorf("the error repeats what a terminal would obey: %q", text)
		}
	}
}

func TestFold(t *testing.T) {
	for _, same := range [][]string{
		{"reception", "Reception", "RECEPTION"}, {"straße", "STRAẞE"}, {"οδυσσεύς", "ΟΔΥΣΣΕΎΣ", "Οδυσσεύσ"}, {"kelvin", "\u212Aelvin"}, {"", ""},
	} {
		for _, name := range same {
			if got := Fold(name); got != Fold(same[0]) || got != Fold(got) {
				t.Errorf("%q becomes %q, %q becomes %q", name, got, same[0], Fold(same[0]))
			}
		}
	}
	if Fold("réception") == Fold("reception") {
		t.Error("names that differ in more than case are one")
	}
}

func TestNumbers(t *testing.T) {
	for typed, digits := range map[string]string{
		"0401": "0401", "+49 (30) 555-100": "+4930555100", "0,": "", "030/555.100": "030555100", "*21#": "*21#",
		"": "", "+": "", "4a5": "", "1+2": "", "٣": "", strings.Repeat("1", MaxNumber+1): "",
	} {
		err := CheckNumber(typed)
		switch {
		case digits == "" && KindOf(err) != Invalid, digits == "" && err == nil:
			t.Errorf("%q is taken for a number", typed)
		case digits != "" && err != nil:
			t.Errorf("%q: %v", typed, err)
		case digits != "" && Digits(typed) != digits:
			t.Errorf("Digits(%q) = %q, want %q", typed, Digits(typed), digits)
		}
	}
}

func TestRights(t *testing.T) {
	for _, r := range []Rights{0, Individual, Administrator, MaySend | MayAssign} {
		again, err := ParseRights(r.String())
		if err != nil || again != r {
			t.Errorf("ParseRights(%q) = %v, %v", r.String(), again, err)
		}
	}
	if r, err := ParseRights("individual, assign"); err != nil || r != Individual|MayAssign {
		t.Errorf("a group and a right: %v, %v", r, err)
	}
	if _, err := ParseRights("send,everything"); KindOf(err) != Invalid || !strings.Contains(err.Error(), "see-received") {
		t.Errorf("an unknown right: %v", err)
	}
	if Individual.Has(MayAssign) || !Administrator.Has(Individual) {
		t.Error("Has is wrong")
	}
}

func TestStatesAndDrawers(t *testing.T) {
	for state, drawer := range map[State]Drawer{Queued: Pending, Held: Pending, Assigned: Pending, Dialing: Pending, Sending: Pending,
		Done: Sent, Undone: Failed, Cancelled: Failed} {
		if state.Drawer() != drawer {
			t.Errorf("%s lies in %s, want %s", state, state.Drawer(), drawer)
		}
		if state.Ended() != (drawer != Pending) {
			t.Errorf("%s ended: %v", state, state.Ended())
		}
		if state.Running() && state.Ended() {
			t.Errorf("%s runs and has ended", state)
		}
	}
}

func TestKinds(t *testing.T) {
	err := fmt.Errorf("while asking: %w", Errorf(Busy, "try again in %d seconds", 3))
	if KindOf(err) != Busy || KindOf(errors.New("other")) != Internal {
		t.Errorf("kinds: %v, %v", KindOf(err), KindOf(errors.New("other")))
	}
	if Conflict.String() != "conflict" || Kind(200).String() != "kind-200" {
		t.Errorf("names: %v, %v", Conflict, Kind(200))
	}
}
