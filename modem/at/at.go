// Package at is the AT dialogue with a fax modem: command lines, result codes
// (V.250, T.31) and the escaped data that follow a CONNECT.
//
// Octets of data are in DTE order throughout (T.31 clause 8).
package at

// MaxLine is the longest line that is accepted in either direction. What is
// beyond it is dropped to the end of the line.
const MaxLine = 256

// Control characters of the dialogue.
const (
	ETX  = 0x03
	LF   = 0x0A
	CR   = 0x0D
	DLE  = 0x10
	XON  = 0x11
	XOFF = 0x13
	CAN  = 0x18
	SUB  = 0x1A
)

// Lines cuts what a modem says in command state into lines. It takes one octet
// at a time and ends a line exactly at its LF, so that the octet behind
// CONNECT CR LF is still there to be read as data. The zero value is ready.
type Lines struct {
	text []byte
	cr   bool // a CR stands behind text
}

// Feed takes the next octet. It returns a line, without its ends, when one is
// complete and not empty. A line that ends in CR alone, such as the echo of a
// command, is complete when the next one begins. Other control characters
// (flow control, NUL, line noise) are dropped.
func (l *Lines) Feed(b byte) (line string, ok bool) {
	switch {
	case b == LF:
		return l.end()
	case b == CR:
		l.cr = true
		return "", false
	case b < ' ' || b == 0x7F:
		return "", false
	}
	if l.cr {
		line, ok = l.end()
	}
	if len(l.text) < MaxLine {
		l.text = append(l.text, b)
	}
	return line, ok
}

func (l *Lines) end() (string, bool) {
	line := string(l.text)
	l.text, l.cr = l.text[:0], false
	return line, line != ""
}

// AppendStuffed appends data to dst with each DLE doubled.
func AppendStuffed(dst, data []byte) []byte {
	for _, b := range data {
		if b == DLE {
			dst = append(dst, DLE)
		}
		dst = append(dst, b)
	}
	return dst
}

// AppendData appends data with each DLE doubled, then the end mark DLE ETX.
func AppendData(dst, data []byte) []byte {
	return append(AppendStuffed(dst, data), DLE, ETX)
}

// Unstuffer takes the escapes out of data: DLE DLE is one DLE, DLE SUB two,
// DLE ETX the end; DLE with any other octet is dropped, both of them (T.31
// 8.3). The zero value is at the beginning of data.
type Unstuffer struct {
	escaped bool
	keep    bool // escapes stay as they are: only the end is looked for
}

// Unstuff is what is left of data without its escapes.
func Unstuff(data []byte) []byte {
	var u Unstuffer
	out, _, _ := u.Append(nil, data)
	return out
}

// Append appends the data in src to dst. It stops behind DLE ETX: then done is
// true and n is the number of octets of src taken, the rest not being data.
func (u *Unstuffer) Append(dst, src []byte) (out []byte, n int, done bool) {
	for i, b := range src {
		switch {
		case !u.escaped && b == DLE:
			u.escaped = true
			continue
		case !u.escaped:
			dst = append(dst, b)
		case b != ETX && u.keep:
			dst = append(dst, DLE, b)
		case b == DLE:
			dst = append(dst, DLE)
		case b == SUB:
			dst = append(dst, DLE, DLE)
		case b == ETX:
			u.escaped = false
			return dst, i + 1, true
		}
		u.escaped = false
	}
	return dst, len(src), false
}
