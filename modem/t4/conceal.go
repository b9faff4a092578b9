package t4

// Damage shows only where the code words stop making sense, and that is long
// after they began to be wrong: a wrong run shifts all that follow. What shows
// it sooner is the row above, which is much alike. So the changing elements of
// a damaged row are believed as long as they keep in step with those above.
//
// The numbers are from charts 1, 4, 5 and 7 with bits damaged in their rows.
// Against rows that repeat the one above, a quarter fewer pels are wrong in MH, a
// twentieth in MR. To believe all that was decoded is worse than to repeat.
const (
	// inStep is how far from one above a changing element may be, in pels.
	inStep = 2
	// astray1D in succession that are not in step end the belief.
	astray1D = 4
	// In two dimensions wrong ones keep in step as well, so none may be astray.
	astray2D = 1
)

// conceal makes a row of the changing elements that were decoded of a damaged
// one and of the row above: it goes on as that one where it can no longer be
// believed. It works in place.
func conceal(cur, above []int32, width int32, oneD bool) []int32 {
	limit := astray2D
	if oneD {
		limit = astray1D
	}
	n, rest := believed(cur, above, width, limit)
	for n > 0 && above[rest] <= cur[n-1] {
		rest += 2
	}
	if edge := len(above) - sentinels; rest < edge {
		return closeChanges(append(cur[:n], above[rest:edge]...), width)
	}
	return closeChanges(cur[:n], width)
}

// believed returns how many of the changing elements of a damaged row are
// believed, up to the last one in step before too many are astray, and the
// index of the one above after that.
func believed(cur, above []int32, width int32, limit int) (n, rest int) {
	astray, low := 0, 0
	for i, x := range cur {
		if x >= width || astray == limit {
			break
		}
		for above[low] < x-inStep {
			low++
		}
		j := low + (low^i)&1 // of the same colour
		if above[j] <= x+inStep && above[j] < width {
			n, rest, astray = i+1, j+1, 0
		} else {
			astray++
		}
	}
	return n, rest
}
