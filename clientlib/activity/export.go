package activity

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// MaxLine is the longest line of an export in octets, far above any that is
// written.
const MaxLine = 64 << 10

// line is how a head or an entry is written, and the only way that is taken.
func line(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("write an export: %w", err)
	}
	return b.Bytes(), nil
}

// Writer writes an export, entry by entry.
type Writer struct {
	w     io.Writer
	head  fax.ActivityHead
	seq   uint64
	chain string
}

// NewWriter writes a head that is signed.
func NewWriter(w io.Writer, head fax.ActivityHead) (*Writer, error) {
	if err := checkHead(head); err != nil {
		return nil, err
	}
	x := &Writer{w: w, head: head, seq: head.First - 1, chain: head.Before}
	return x, x.write(head)
}

func (x *Writer) write(v any) error {
	b, err := line(v)
	if err != nil {
		return err
	}
	if _, err := x.w.Write(b); err != nil {
		return fmt.Errorf("write an export: %w", err)
	}
	return nil
}

// Next is the number of the entry that comes next, 0 after the last.
func (x *Writer) Next() uint64 {
	if x.seq == x.head.Last {
		return 0
	}
	return x.seq + 1
}

// Add writes the next entry. One that does not follow is refused: a record that
// does not hold must not be handed on as one that does.
func (x *Writer) Add(a fax.Activity) error {
	if a.Seq != x.Next() || !Follows(x.chain, a) || a.Seq == x.head.Last && a.Chain != x.head.End {
		return fmt.Errorf("entry %d of the activity record does not follow from entry %d: the record at the node is damaged; look at faxmeshd status", a.Seq, x.seq)
	}
	x.seq, x.chain = a.Seq, a.Chain
	return x.write(a)
}

// Verify reads an export to its end and checks that it is whole, unchanged, in
// order, and signed. see, if not nil, is given each entry that has been found
// to follow. The error names the line.
func Verify(r io.Reader, see func(fax.Activity)) (fax.ActivityHead, error) {
	v := verifier{in: bufio.NewReaderSize(r, MaxLine)}
	var head fax.ActivityHead
	if err := v.next(&head); err != nil {
		return head, v.fault(err)
	}
	if err := checkHead(head); err != nil {
		return head, v.fault(err)
	}
	seq, chain := head.First-1, head.Before
	for {
		var a fax.Activity
		err := v.next(&a)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = follows(head, seq, chain, a)
		}
		if err != nil {
			return head, v.fault(err)
		}
		seq, chain = a.Seq, a.Chain
		if see != nil {
			see(a)
		}
	}
	if seq != head.Last {
		return head, fmt.Errorf("the export ends after line %d with entry %d; entries %d to %d are missing", v.line, seq, seq+1, head.Last)
	}
	return head, nil
}

// follows says what is wrong with an entry behind another.
func follows(head fax.ActivityHead, seq uint64, chain string, a fax.Activity) error {
	switch {
	case a.Seq > head.Last:
		return fmt.Errorf("entry %d is behind the last one, %d: it has been put in", a.Seq, head.Last)
	case a.Seq > seq+1:
		return fmt.Errorf("entry %d comes after entry %d: something between them is missing, or lines have changed places", a.Seq, seq)
	case a.Seq <= seq:
		return fmt.Errorf("entry %d comes after entry %d: it has been put in, or lines have changed places", a.Seq, seq)
	case !Follows(chain, a):
		return fmt.Errorf("entry %d does not follow from entry %d: one of the two has been changed", a.Seq, seq)
	case a.Seq == head.Last && a.Chain != head.End:
		return fmt.Errorf("entry %d is not the one that was signed: entries have been changed", a.Seq)
	}
	return nil
}

type verifier struct {
	in   *bufio.Reader
	line int // that was read last
}

func (v *verifier) fault(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the export is empty")
	}
	return fmt.Errorf("line %d: %w", v.line, err)
}

// next reads a line, which must be exactly as line writes it: what can be read
// in two ways could say one thing to this program and another to people.
func (v *verifier) next(into any) error {
	text, err := v.in.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF) && len(text) == 0:
		return io.EOF
	case errors.Is(err, io.EOF):
		v.line++
		return errors.New("the line is cut off")
	case errors.Is(err, bufio.ErrBufferFull):
		v.line++
		return fmt.Errorf("the line is longer than %d octets", MaxLine)
	case err != nil:
		v.line++
		return err
	}
	v.line++
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("this is no line of an export: %w", err)
	}
	again, err := line(into)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, text) {
		return errors.New("the line is not as an export writes it: it has been changed")
	}
	return nil
}

// Extend checks two exports of one cluster and that the newer goes on where the
// older ends, nothing of it changed.
func Extend(older, newer io.Reader) (was, is fax.ActivityHead, err error) {
	if was, err = Verify(older, nil); err != nil {
		return was, is, fmt.Errorf("the older export: %w", err)
	}
	met := ""
	if is, err = Verify(newer, func(a fax.Activity) {
		if a.Seq == was.Last {
			met = a.Chain
		}
	}); err != nil {
		return was, is, fmt.Errorf("the newer export: %w", err)
	}
	if is.First == was.Last+1 {
		met = is.Before
	}
	switch {
	case was.Cluster != is.Cluster || !bytes.Equal(was.Authority, is.Authority):
		err = fmt.Errorf("the exports are of two clusters, %s with authority %.16s… and %s with authority %.16s…", was.Cluster, Fingerprint(was), is.Cluster, Fingerprint(is))
	case is.Last < was.Last:
		err = fmt.Errorf("the newer export ends with entry %d, before the older one with entry %d: entries have been taken away, or the two files are in the wrong order", is.Last, was.Last)
	case met == "":
		err = fmt.Errorf("the newer export begins with entry %d, the older one ends with entry %d: export again from an earlier entry on", is.First, was.Last)
	case met != was.End:
		err = fmt.Errorf("entry %d or one before it is not the same in both exports: the record was changed, or the cluster was restored from a backup that is older than the older export", was.Last)
	}
	return was, is, err
}
