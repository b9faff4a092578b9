package station

import (
	"encoding/hex"
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t30"
)

// Learn is k after a call to the station that ended so and saw that. First what
// has worked is cleared of suspicion, then what has not is put under it.
func (k Known) Learn(end status.Code, seen t30.Seen, now time.Time) Known {
	if seen.Can != (dis.Capabilities{}) {
		k.Can = hex.EncodeToString(seen.Can.Append(nil))
	}
	k.clear(seen)
	k.fellBack(seen, now)
	k.blame(suspects(end, seen), seen, now)
	if seen.Confirmed != line.V21 {
		k.Rate = seen.Confirmed
	}
	return k
}

// clear takes away the trouble that a call with a confirmed page has shown not
// to be there.
func (k *Known) clear(seen t30.Seen) {
	if seen.Confirmed == line.V21 {
		return
	}
	if seen.Confirmed.V17() {
		k.V17 = Trouble{}
	}
	if seen.Session[dis.ECM] != 0 {
		k.ECM = Trouble{}
	} else if seen.Rejected == 0 { // with ECM nothing is rejected for its quality
		k.RTN = Trouble{}
	}
	switch seen.Session.Coding() {
	case "MMR":
		k.MMR = Trouble{}
	case "MR":
		k.MR = Trouble{}
	}
	if seen.Confirmed > k.Start {
		k.Slow, k.Start = Trouble{}, line.V21
	}
}

// fellBack notes what the call had to come down to before it got on.
func (k *Known) fellBack(seen t30.Seen, now time.Time) {
	began := seen.Began
	if began.V17() && seen.Trained != line.V21 && !seen.Trained.V17() {
		k.V17 = k.V17.again(now)
		began = line.V29x9600
	}
	if seen.Confirmed != line.V21 && seen.Confirmed < began {
		k.Slow, k.Start = k.Slow.again(now), seen.Confirmed
	}
}

// suspect is what may be to blame for a call that has failed.
type suspect uint8

const (
	slow suspect = iota // the rate at which it began
	v17
	ecm
	mmr
	mr
	rtn
)

// maxUnheard whole blocks in a call that do not arrive are no noise.
const maxUnheard = 4

// suspects lists who may be to blame, the first to be tried first. It is empty
// if the station, and the line to it, have nothing to do with how the call ended.
func suspects(end status.Code, seen t30.Seen) []suspect {
	broke := slices.Contains([]status.Code{status.Disconnected, status.NoResponse, status.NoTrainResponse, status.BadResponse}, end)
	switch {
	case end == status.TrainingFailed, seen.Waiting != line.V21 && (broke || end == status.LineDropped):
		// Some stations leave when they hear V.17, or after a few failures there.
		if seen.Began.V17() && !seen.Trained.V17() {
			return []suspect{v17, slow}
		}
		return []suspect{slow}
	case end == status.ECMFailed && seen.Unheard >= maxUnheard && seen.Trained.V17() && seen.Confirmed == line.V21:
		// It trains, and then hears no image: V.17 is trained shortly before those.
		return []suspect{v17, slow, ecm}
	case end == status.ECMFailed:
		return []suspect{slow, ecm}
	case end == status.PageRejected && seen.Confirmed == line.V21:
		return append(coding(seen.Session), slow, rtn)
	case end == status.PageRejected:
		return []suspect{slow}
	case broke && seen.Trained != line.V21 && seen.Confirmed == line.V21:
		// It went wrong with the first page: it cannot take what it has offered.
		return append(offers(seen.Session), slow)
	}
	return nil
}

// offers are what a session has of the things that stations offer, but cannot
// all do, the rarest first.
func offers(s dis.Session) (all []suspect) {
	if s[dis.MMR] != 0 {
		all = append(all, mmr)
	}
	if s[dis.ECM] != 0 {
		all = append(all, ecm)
	}
	if s[dis.MR] != 0 {
		all = append(all, mr)
	}
	return all
}

// coding is the coding of a session, if it may be to blame: MH is not.
func coding(s dis.Session) []suspect {
	switch s.Coding() {
	case "MMR":
		return []suspect{mmr}
	case "MR":
		return []suspect{mr}
	}
	return nil
}

// blame puts the first one under suspicion who is not yet. If all are, the next
// call is slower still.
func (k *Known) blame(all []suspect, seen t30.Seen, now time.Time) {
	if len(all) == 0 {
		return
	}
	who := slow
	if i := slices.IndexFunc(all, func(s suspect) bool { return !k.trouble(s).believed(now) }); i >= 0 {
		who = all[i]
	}
	t := k.trouble(who)
	*t = t.again(now)
	if who == slow {
		k.Start = k.slower(seen)
	}
}

// slower is where to begin after a call that saw this: at the rate that has
// worked, or one step down.
func (k *Known) slower(seen t30.Seen) line.Rate {
	from := seen.Began
	if seen.Trained != line.V21 {
		from = min(from, seen.Trained)
	}
	if k.Rate != line.V21 && k.Rate < from {
		return k.Rate
	}
	if r, ok := t30.Slower(from); ok {
		return r
	}
	return from
}

func (k *Known) trouble(s suspect) *Trouble {
	switch s {
	case v17:
		return &k.V17
	case ecm:
		return &k.ECM
	case mmr:
		return &k.MMR
	case mr:
		return &k.MR
	case rtn:
		return &k.RTN
	}
	return &k.Slow
}
