package consensus

import "testing"

func TestMustRestore(t *testing.T) {
	for _, c := range []struct {
		name                  string
		applied, first, last  uint64
		newest                held
		restore, refused, fed bool
	}{
		{name: "new"},
		{name: "log only", applied: 5, first: 1, last: 9},
		{name: "barriers behind the last command", applied: 7, first: 1, last: 9, newest: held{index: 7, applied: 7}},
		{name: "state newer than the snapshot", applied: 9, first: 3, last: 9, newest: held{index: 7, file: true}},
		{name: "state newer than the mark", applied: 9, first: 8, last: 9, newest: held{index: 7, applied: 7}},
		{name: "snapshot ends with a barrier", applied: 6, first: 3, last: 9, newest: held{index: 7, file: true}, restore: true},
		{name: "mark ends with a barrier", applied: 6, first: 8, last: 9, newest: held{index: 7, applied: 6}},
		{name: "state lost", first: 3, last: 9, newest: held{index: 7, file: true}, restore: true},
		{name: "state lost, only a mark", first: 3, last: 9, newest: held{index: 7, applied: 6}, refused: true},
		{name: "state older than the mark", applied: 5, first: 3, last: 9, newest: held{index: 7, applied: 6}, refused: true},
		{name: "only a snapshot", applied: 7, newest: held{index: 7, file: true}},
		{name: "only a mark", applied: 7, newest: held{index: 7, applied: 7}},
		{name: "gap behind a mark", applied: 7, first: 9, last: 9, newest: held{index: 7, applied: 7}, refused: true},
		{name: "log lost", applied: 7, refused: true},
		{name: "another log", applied: 7, first: 1, last: 6, refused: true},
		{name: "fed beyond its log", applied: 7, first: 1, last: 6, fed: true},
		{name: "fed without a log", applied: 7, fed: true},
		{name: "fed, then a snapshot ahead", applied: 6, newest: held{index: 7, file: true}, fed: true, restore: true},
		{name: "mark lost", applied: 7, first: 3, last: 9, refused: true},
		{name: "gap", applied: 1, first: 3, last: 9, refused: true},
	} {
		restore, err := mustRestore(c.applied, c.first, c.last, c.newest, c.fed)
		if restore != c.restore || (err != nil) != c.refused {
			t.Errorf("%s: restore %v, %v", c.name, restore, err)
		}
	}
}
