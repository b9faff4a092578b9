package ledger

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/faxmesh/faxmesh/clientlib/activity"
	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// maxDetail bounds the detail of an activity in octets; more is cut off.
const maxDetail = fax.MaxReason

// activityHead is the end of the activity record: the meta record under
// keyActivity, 8 octets of Seq and 32 of the chain value.
type activityHead struct {
	seq   uint64
	chain [32]byte
}

func (d *draft) activityHead() (h activityHead) {
	value := d.get(inMeta, keyActivity)
	if value == nil {
		return h
	}
	if len(value) != 40 {
		d.fail(inMeta, keyActivity, errors.New("not 40 octets long"))
		return h
	}
	h.seq = binary.BigEndian.Uint64(value)
	copy(h.chain[:], value[8:])
	return h
}

// record appends to the activity record. Texts that are too long are cut, not
// refused: what has happened goes on record.
func (d *draft) record(a fax.Activity) {
	if d.tentative != 0 { // it goes on record, in the chain, when it is agreed
		return
	}
	a.Who = clip(a.Who, fax.MaxName)
	a.Node = clip(a.Node, fax.MaxName)
	a.What = clip(a.What, fax.MaxName)
	a.Object = clip(a.Object, fax.MaxTitle)
	a.Detail = clip(a.Detail, maxDetail)
	head := d.activityHead()
	a.Seq = head.seq + 1
	chain := activity.Chain(head.chain, a)
	a.Chain = hex.EncodeToString(chain[:])
	d.store(inActivity, number64(a.Seq), a)
	d.put(inMeta, keyActivity, append([]byte(number64(a.Seq)), chain[:]...))
}

// VerifyActivity checks an activity record from its first entry on and returns
// the last one: compare its chain value with one written down elsewhere to
// know that nothing was cut off at the end. The error names the first entry
// that was changed, taken out or put in.
func VerifyActivity(entries iter.Seq2[fax.Activity, error]) (last fax.Activity, err error) {
	var chain [32]byte
	for a, err := range entries {
		if err != nil {
			return last, fmt.Errorf("read the activity record after entry %d: %w", last.Seq, err)
		}
		if a.Seq != last.Seq+1 {
			return last, fmt.Errorf("the activity record goes from entry %d to entry %d", last.Seq, a.Seq)
		}
		chain = activity.Chain(chain, a)
		if a.Chain != hex.EncodeToString(chain[:]) {
			return last, fmt.Errorf("entry %d of the activity record, or one before it, has been changed", a.Seq)
		}
		last = a
	}
	return last, nil
}

// clip makes s valid UTF-8 of at most limit octets.
func clip(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// who is the person, or the node where no person did it.
func who(by, node string) string {
	if by != "" {
		return by
	}
	return node
}
