package ledger

import "testing"

// What is held within counts, also when this program does not know it.
func TestNeeds(t *testing.T) {
	encoded := func(c Command) []byte {
		t.Helper()
		data, err := Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	newer := []byte{0x01, 0x02, 0x80}
	for what, c := range map[string]struct {
		data []byte
		want int
	}{
		"nothing":            {nil, 0},
		"an ordinary one":    {encoded(DropNode{Name: "south"}), 6},
		"a newer one":        {newer, 0x102},
		"an import":          {encoded(Import{Commands: [][]byte{encoded(Note{}), {0, 5, 0x80}}}), 21},
		"an import of newer": {encoded(Import{Commands: [][]byte{encoded(Note{}), newer}}), 0x102},
		"once":               {encoded(Once{Command: encoded(Note{})}), 25},
		"once, a newer":      {encoded(Once{Command: newer}), 0x102},
		"once, newer held":   {encoded(Once{Command: encoded(Import{Commands: [][]byte{newer}})}), 0x102},
		"damage":             {[]byte{0, 21, 0xc1}, 21},
	} {
		if got := Needs(c.data); got != c.want {
			t.Errorf("%s: %d, want %d", what, got, c.want)
		}
	}
	if Baseline > Newest {
		t.Error("this program does not know what every program knows")
	}
}
