package imaging

import "github.com/faxmesh/faxmesh/modem/t4"

// inkShare is how far from black to white a pel still becomes black, in
// percent. It is more than half, to keep thin lines that scaling made grey.
const inkShare = 66

// Contrast of a picture of text or lines: the share of its variance that lies
// between two greys, in percent (Otsu's criterion). An even gradient has 75,
// photographs are near that; text, though smoothed at its edges, has 90 or more.
const lineArt = 88

// flat is the distance of the two greys under which a picture is one grey with
// some noise.
const flat = 40

// cut returns the grey under which a pel is black, and whether a picture has
// just two greys that it makes sense to cut between.
func (p plane) cut() (level uint8, bilevel bool) {
	var count [256]int
	for _, v := range p.pix {
		count[v]++
	}
	n, total, squares := 0.0, 0.0, 0.0
	for v, c := range count {
		n += float64(c)
		total += float64(v) * float64(c)
		squares += float64(v) * float64(v) * float64(c)
	}
	mean := total / n
	variance := squares/n - mean*mean
	best, dark, light := 0.0, 0.0, 255.0
	below, belowSum := 0.0, 0.0
	for v, c := range count {
		below += float64(c)
		belowSum += float64(v) * float64(c)
		if below == 0 || below == n {
			continue
		}
		d, l := belowSum/below, (total-belowSum)/(n-below)
		if between := below / n * (n - below) / n * (l - d) * (l - d); between > best {
			best, dark, light = between, d, l
		}
	}
	if best == 0 || light-dark < flat {
		return 128, true
	}
	level = uint8(dark + (light-dark)*inkShare/100)
	return level, best*100 >= variance*lineArt
}

// threshold makes black what is under level.
func (p plane) threshold(level uint8) *t4.Bitmap {
	b := t4.NewBitmap(p.width, p.height)
	for y := range p.height {
		bits := b.Row(y)
		for x, v := range p.row(y) {
			if v < level {
				bits[x>>3] |= 0x80 >> (x & 7)
			}
		}
	}
	return b
}

// diffuse renders grey by dots: each pel's error goes to its neighbours to
// come, as Floyd and Steinberg share it. Rows alternate in direction, so that
// the error drifts to neither side.
func (p plane) diffuse() *t4.Bitmap {
	b := t4.NewBitmap(p.width, p.height)
	// Errors in sixteenths, with room for a neighbour at each end.
	here, below := make([]int, p.width+2), make([]int, p.width+2)
	for y := range p.height {
		row, bits := p.row(y), b.Row(y)
		x, end, step := 0, p.width, 1
		if y&1 == 1 {
			x, end, step = p.width-1, -1, -1
		}
		for ; x != end; x += step {
			v := int(row[x]) + here[x+1]/16
			e := v
			if v < 128 {
				bits[x>>3] |= 0x80 >> (x & 7)
			} else {
				e -= 255
			}
			here[x+1+step] += 7 * e
			below[x+1-step] += 3 * e
			below[x+1] += 5 * e
			below[x+1+step] += e
		}
		here, below = below, here
		clear(below)
	}
	return b
}
