package roaming

import "slices"

// Vector says up to which number of each log everything is known.
type Vector map[Origin]uint64

// Covers reports whether a write is among what is known.
func (v Vector) Covers(m Mark) bool { return m.Seq <= v[m.Origin] }

// Behind reports whether w knows of something that v does not.
func (v Vector) Behind(w Vector) bool {
	for o, seq := range w {
		if v[o] < seq {
			return true
		}
	}
	return false
}

// origins are the logs, in order.
func (v Vector) origins() []Origin {
	all := make([]Origin, 0, len(v))
	for o := range v {
		all = append(all, o)
	}
	slices.SortFunc(all, Origin.compare)
	return all
}
