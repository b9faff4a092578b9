package class1

import (
	"bytes"
	"context"

	"github.com/faxmesh/faxmesh/modem/at"
	"github.com/faxmesh/faxmesh/modem/hdlc"
)

// maxEnding is the octets of an end mark and the longest result code behind it.
const maxEnding = 32

// bareFrame reads a frame from a modem that does not double its DLEs. A DLE ETX
// may be octets of the frame then: it is the end with a result code behind it.
func (h *hearing) bareFrame(ctx context.Context) (data []byte, code at.Code, err error) {
	n, ended := 0, false
	err = h.p.conn.ReadRaw(ctx, maxStuffed+maxEnding, h.p.signal(frameWait), func(b byte) bool {
		data = append(data, b)
		if code = instead(data); code.Final() {
			return false
		}
		n, code, ended = ending(data)
		return !ended
	})
	switch {
	case err != nil:
		return data, at.Info, err
	case !ended: // in place of a frame
		return nil, code, nil
	}
	return data[:n], code, nil
}

// ending looks for an end mark and a result code at the end of what a modem has
// said, and tells how many octets are before them.
func ending(data []byte) (n int, code at.Code, ok bool) {
	rest, ok := bytes.CutSuffix(data, []byte("\r\n"))
	if !ok {
		return 0, at.Info, false
	}
	i := bytes.LastIndexByte(rest, at.LF) + 1
	frame, ok := bytes.CutSuffix(bytes.TrimRight(rest[:i], "\r\n"), []byte{at.DLE, at.ETX})
	if code = at.Parse(string(rest[i:])); !ok || !code.Final() {
		return 0, at.Info, false
	}
	return len(frame), code, true
}

// frame takes the escapes and the check sequence off a frame as the modem gives
// it, and says whether it is whole. With BareDLE both readings of its DLEs are
// possible, and the check sequence tells them apart.
func (b Bugs) frame(stuffed []byte) (frame []byte, good bool) {
	readings := [][]byte{at.Unstuff(stuffed)}
	if b.BareDLE {
		readings = append(readings, stuffed)
	}
	if b.NoFCS {
		frame = readings[len(readings)-1]
		return frame, hdlc.Valid(frame)
	}
	for _, r := range readings {
		if hdlc.Check(r) {
			return r[:len(r)-fcsLen], true
		}
	}
	return readings[0][:max(len(readings[0])-fcsLen, 0)], false
}
