package t30

import (
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
)

// Timers of T.30 clause 5.4.3. Where the Recommendation gives a tolerance, the
// value is what the field has found to work best inside it.
const (
	// T1 (35 s +- 5 s) bounds the search for a fax machine at the other end.
	T1 = 35 * time.Second
	// T2 (6 s +- 1 s) bounds the wait for a command. What follows when it has run
	// out must begin within the tolerance, whatever the driver needs for it.
	T2 = 6800 * time.Millisecond
	// T4 (3 s +- 15 %) bounds the wait for the response to a command; it runs
	// from the last bit of the command.
	T4 = 3450 * time.Millisecond
	// T5 (60 s +- 5 s) bounds how long an ECM receiver may be busy (RNR).
	T5 = 65 * time.Second

	// frameTimeout: a frame follows the one before it, or its flags, within 3 s
	// +- 15 % (T.30 5.3.3).
	frameTimeout = 3450 * time.Millisecond
	// tcfTimeout: the training check follows DCS after 75 ms; slow modems and
	// long trainings are given time.
	tcfTimeout = 4500 * time.Millisecond
	// eomWait: a receiver that has confirmed EOM identifies itself again after
	// T2 (T.30 figure 5-2b), nominally 6 s; for the sender T1 begins anew.
	eomWait = 6 * time.Second
	// repeatWindow: MPS without a page before it is taken for a repetition only if
	// it ends this soon after our response did: T4 of a sender that has not heard
	// it, its preamble and its frame.
	repeatWindow = 4500 * time.Millisecond
	// repeatAtOnce and repeatFrom: there are modems that give no sign of an image
	// whose training they missed. So MPS is a repetition only if there was no time
	// for one, and it ends this soon after our response, or if the sender can have
	// waited T4, and it ends this late after the command before.
	repeatAtOnce = 1600 * time.Millisecond
	repeatFrom   = 2550*time.Millisecond + 850*time.Millisecond
	// commandDue: the command behind an image is over by then, for its silence,
	// preamble and frame take 1.6 s at most; the rest is for slow modems.
	commandDue = 2500 * time.Millisecond
)

// Limits on repetition.
const (
	maxTries     = 3  // a command, for want of a response or because of CRP (T.30 5.4.2)
	maxStrange   = 2  // unknown frames where an identification is due
	maxHeard     = 16 // frames, noises listened to for one response
	maxWaits     = 40 // T2 while a carrier is on the line: a block at 2400 bit/s takes 230 s
	maxDIS       = 16 // identifications before T1, should the clock stand still
	maxRNR       = 64 // RR before T5, should the clock stand still
	maxRepeats   = 2  // times a rejected page is sent again
	doubleFrom   = 2  // PPR from which on the first frame of a burst may go twice
	maxPPR       = 4  // PPR before CTC or giving up (T.30 Annex A.4.3)
	maxCTC       = 8  // corrections continued for one partial page
	maxFruitless = 64 // commands received since anything was gained by one
	maxUnseen    = 2  // pages in succession that did not come, answered by RTN
	// longestImage is how many bits of an image that could not be received are
	// waited for: those of a partial page with its framing.
	longestImage = line.MaxBlock * 270 * 8
	// maxPages a receiver takes in one call.
	maxPages = 5000
	// maxTranscript octets of text are kept of one call.
	maxTranscript = 1 << 20
)
