// Package hdlc frames octets the way T.30 does on every carrier.
//
// Octets are in DTE order: the first bit on the line is the least significant
// bit of an octet. A frame runs from the address octet to the last FIF octet;
// on the line its frame check sequence of two octets follows (T.30 5.3.7).
package hdlc

// Octets every T.30 frame starts with (T.30 5.3.4, 5.3.5).
const (
	Address      = 0xFF
	Control      = 0x03 // another frame of the same signal follows
	ControlFinal = 0x13 // last frame of the signal
	finalBit     = 0x10
)

const (
	flag       = 0x7E
	fcsInit    = 0xFFFF
	fcsPoly    = 0x8408 // x^16 + x^12 + x^5 + 1, reflected
	fcsResidue = 0xF0B8 // left over a frame with its right FCS
	fcsLen     = 2
	headerLen  = 3 // address, control, FCF
)

// Append appends a frame without FCS to dst: header, fcf and fif.
func Append(dst []byte, final bool, fcf byte, fif ...byte) []byte {
	control := byte(Control)
	if final {
		control = ControlFinal
	}
	dst = append(dst, Address, control, fcf)
	return append(dst, fif...)
}

// Valid reports whether frame has a header and T.30's address. The control
// octet is not judged: stations in the field send odd ones.
func Valid(frame []byte) bool { return len(frame) >= headerLen && frame[0] == Address }

// Final reports whether frame is the last one of its signal.
func Final(frame []byte) bool { return len(frame) > 1 && frame[1]&finalBit != 0 }

// FCF is the facsimile control field of a valid frame, 0 of a shorter one.
func FCF(frame []byte) byte {
	if len(frame) < headerLen {
		return 0
	}
	return frame[2]
}

// FIF is the facsimile information field; it shares memory with frame.
func FIF(frame []byte) []byte {
	if len(frame) <= headerLen {
		return nil
	}
	return frame[headerLen:]
}

// FCS is the frame check sequence of b, sent low octet first.
func FCS(b []byte) uint16 { return ^remainder(b) }

// AppendFCS appends the check sequence of frame to dst.
func AppendFCS(dst, frame []byte) []byte {
	f := FCS(frame)
	return append(dst, byte(f), byte(f>>8))
}

// Check reports whether the last two octets of frameWithFCS are the check
// sequence of those before.
func Check(frameWithFCS []byte) bool {
	return len(frameWithFCS) > fcsLen && remainder(frameWithFCS) == fcsResidue
}

func remainder(b []byte) uint16 {
	r := uint16(fcsInit)
	for _, o := range b {
		r ^= uint16(o)
		for range 8 {
			low := r & 1
			r >>= 1
			if low != 0 {
				r ^= fcsPoly
			}
		}
	}
	return r
}
