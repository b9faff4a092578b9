package ledger

import (
	"slices"
	"testing"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// TestLayers: two layers read as one, forwards and backwards.
func TestLayers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := fresh(t)
		i := cutOff(t, l)
		keys := []string{"a", "b", "c", "d", "e", "f"}
		want := map[string]string{}
		write := func(st state, name string) {
			for range rapid.IntRange(0, 8).Draw(rt, name) {
				k, v := rapid.SampledFrom(keys).Draw(rt, "key"), rapid.StringN(0, 2, -1).Draw(rt, "value")
				if rapid.Bool().Draw(rt, "delete") {
					delete(want, k)
					if err := st.put(inDocs, []byte(k), nil); err != nil {
						rt.Fatal(err)
					}
					continue
				}
				want[k] = v
				if err := st.put(inDocs, []byte(k), []byte(v)); err != nil {
					rt.Fatal(err)
				}
			}
		}
		l.db.NoSync = true
		if err := l.db.Update(func(tx *bbolt.Tx) error { write(state{base: tx}, "base"); return nil }); err != nil {
			rt.Fatal(err)
		}
		if err := l.layer(func(_ *tail, base, over *bbolt.Tx) error { write(state{base, over}, "over"); return nil }); err != nil {
			rt.Fatal(err)
		}
		order := make([]string, 0, len(want))
		for k := range want {
			order = append(order, k)
		}
		slices.Sort(order)
		if err := i.view(func(st state) error {
			var up, down []string
			c := st.cursor(inDocs)
			for k, v := c.Seek([]byte("a")); k != nil; k, v = c.Next() {
				if up = append(up, string(k)); string(v) != want[string(k)] || string(st.get(inDocs, k)) != string(v) {
					rt.Errorf("%s is %q, want %q", k, v, want[string(k)])
				}
			}
			for k, _ := c.Last(); k != nil; k, _ = c.Prev() {
				down = append(down, string(k))
			}
			slices.Reverse(down)
			if !slices.Equal(up, order) || !slices.Equal(down, order) {
				rt.Errorf("up %q, down %q, want %q", up, down, order)
			}
			for _, from := range append(keys, "", "g") {
				at, _ := slices.BinarySearch(order, from)
				k, _ := c.Seek([]byte(from))
				p, _ := c.Prev()
				if at < len(order) != (k != nil) || k != nil && string(k) != order[at] || at > 0 != (p != nil) || p != nil && string(p) != order[at-1] {
					rt.Errorf("from %q: %q, before it %q, in %q", from, k, p, order)
				}
			}
			return nil
		}); err != nil {
			rt.Fatal(err)
		}
		if err := l.CloseTail(); err != nil {
			rt.Fatal(err)
		}
	})
}
