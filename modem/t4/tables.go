package t4

// The words other than runs (T.4 clause 4.1.2, T.6 table 1). Lengths in bits.
const (
	eolBits  = 12 // EOL is 000000000001
	eolWord  = 1
	eolZeros = 11
	eofbBits = 24 // EOFB is two EOLs
	eofbWord = 0x001001
	rtcEOLs  = 6 // RTC is six EOLs
)

// code is a code word, right aligned.
type code struct {
	bits uint32
	n    uint32
}

// parseCode reads a code word written as in the Recommendation's tables.
func parseCode(s string) code {
	c := code{n: uint32(len(s))}
	for i := range len(s) {
		c.bits = c.bits<<1 | uint32(s[i]-'0')
	}
	return c
}

const (
	maxMakeup   = 2560             // the longest make-up code
	longRun     = maxMakeup + 64   // from here a run needs several make-up codes
	makeupCodes = maxMakeup/64 + 1 // indexed by run/64; 0 is unused
)

// runCodes codes the runs of one colour.
type runCodes struct {
	terminating [64]code
	makeup      [makeupCodes]code
}

func newRunCodes(terminating [64]string, makeup [27]string) *runCodes {
	var c runCodes
	for n, s := range terminating {
		c.terminating[n] = parseCode(s)
	}
	for i, s := range makeup {
		c.makeup[1+i] = parseCode(s)
	}
	for i, s := range extendedMakeup {
		c.makeup[1+len(makeup)+i] = parseCode(s)
	}
	return &c
}

const runBits = 13 // the longest run code

// runEntry is what the next runBits bits begin with: the run in pels above the
// length of its code word in the low four bits; 0 where there is no code word.
type runEntry uint16

func (e runEntry) pels() int32 { return int32(e >> 4) }
func (e runEntry) len() int    { return int(e & 15) }

// common reports whether it is a terminating code of one pel or more: a run
// that needs no other code and no care.
func (e runEntry) common() bool { return uint32(e.pels()-1) < 63 }

type runTable [1 << runBits]runEntry

func newRunTable(c *runCodes) *runTable {
	var t runTable
	add := func(w code, pels int) {
		shift := runBits - w.n
		for i := range uint32(1) << shift {
			t[w.bits<<shift|i] = runEntry(pels<<4) | runEntry(w.n)
		}
	}
	for n, w := range c.terminating {
		add(w, n)
	}
	for i, w := range c.makeup[1:] {
		add(w, 64*(i+1))
	}
	return &t
}

// The tables of both colours, indexed by colour: 0 white, 1 black. They are
// made once from the code words and never change.
var (
	runWords = [2]*runCodes{
		newRunCodes(whiteTerminating, whiteMakeup),
		newRunCodes(blackTerminating, blackMakeup),
	}
	runTables = [2]*runTable{newRunTable(runWords[0]), newRunTable(runWords[1])}
)

// mode is a coding mode of T.6 table 1.
type mode uint8

const (
	modeNone       mode = iota // extensions, EOFB and what is no code word
	modePass                   // P
	modeHorizontal             // H
	modeVL3                    // VL(3): a1 is 3 to the left of b1
	modeVL2
	modeVL1
	modeV0 // a1 is just under b1
	modeVR1
	modeVR2
	modeVR3
)

// modeWords are the code words of T.6 table 1.
var modeWords = [...]string{
	modePass:       "0001",
	modeHorizontal: "001",
	modeVL3:        "0000010",
	modeVL2:        "000010",
	modeVL1:        "010",
	modeV0:         "1",
	modeVR1:        "011",
	modeVR2:        "000011",
	modeVR3:        "0000011",
}

const modeBits = 7 // the longest mode code

type modeEntry struct {
	mode mode
	n    uint8 // bits of the code word
}

// modeCodes and modeTable are to modeWords what runWords and runTables are to
// the run codes.
var (
	modeCodes = newModeCodes()
	modeTable = newModeTable()
)

func newModeCodes() (codes [len(modeWords)]code) {
	for m, s := range modeWords {
		codes[m] = parseCode(s)
	}
	return codes
}

func newModeTable() (t [1 << modeBits]modeEntry) {
	for m, w := range newModeCodes() {
		if w.n == 0 {
			continue // modeNone
		}
		shift := modeBits - w.n
		for i := range uint32(1) << shift {
			t[w.bits<<shift|i] = modeEntry{mode(m), uint8(w.n)}
		}
	}
	return t
}
