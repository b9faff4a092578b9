package at

import "strings"

// Code is a result code of a modem (T.31 table 1, V.250 5.7, and what chips in
// the field add).
type Code uint8

// The result codes. Info is any other line: the answer to a query, an echo,
// caller identification.
const (
	Info Code = iota
	OK
	Connect
	Ring
	NoCarrier
	Error
	NoDialtone
	Busy
	NoAnswer
	FCError // +FCERROR: the carrier found is not the one asked for
	FRH3    // +FRH:3: adaptive reception met V.21; CONNECT follows
	Blacklisted
	Delayed
)

// codes gives the words and the digits of each code; the digits are those of
// V0, empty where no standard has any.
var codes = [...]struct{ text, digits string }{
	Info:        {"", ""},
	OK:          {"OK", "0"},
	Connect:     {"CONNECT", "1"},
	Ring:        {"RING", "2"},
	NoCarrier:   {"NO CARRIER", "3"},
	Error:       {"ERROR", "4"},
	NoDialtone:  {"NO DIALTONE", "6"},
	Busy:        {"BUSY", "7"},
	NoAnswer:    {"NO ANSWER", "8"},
	FCError:     {"+FCERROR", "+F4"},
	FRH3:        {"+FRH:3", "+FRH:3"},
	Blacklisted: {"BLACKLISTED", ""},
	Delayed:     {"DELAYED", ""},
}

// String is the text of the code with V1, "" for Info.
func (c Code) String() string {
	if int(c) >= len(codes) {
		return ""
	}
	return codes[c].text
}

// Digits is the text of the code with V0, "" where there is none.
func (c Code) Digits() string {
	if int(c) >= len(codes) {
		return ""
	}
	return codes[c].digits
}

// Final reports whether a command is over with c. RING may come at any time
// and +FRH:3 has a CONNECT behind it.
func (c Code) Final() bool {
	return c != Info && c != Ring && c != FRH3
}

// Parse tells the result code in a line from the modem. Chips differ in spaces
// and in what they append (CONNECT 14400, DELAYED 00:59, RING B), so those and
// BLACKLISTED are taken by their first word. That a telephone beside the modem
// has the line comes to the same as no dial tone.
func Parse(line string) Code {
	line = strings.ToUpper(strings.TrimSpace(line))
	if _, ok := RingPattern(line); ok {
		return Ring
	}
	switch strings.ReplaceAll(line, " ", "") {
	case "OK":
		return OK
	case "NOCARRIER":
		return NoCarrier
	case "ERROR":
		return Error
	case "NODIALTONE", "NODIALTONE!", "NOLINE", "LINEINUSE", "LINE-IN-USE", "PHONEOFF-HOOK", "EXTENSIONOFF-HOOK", "HANDSETINUSE":
		return NoDialtone
	case "BUSY":
		return Busy
	case "NOANSWER":
		return NoAnswer
	case "+FCERROR", "+F4":
		return FCError
	case "+FRH:3":
		return FRH3
	case "DIALINGDISABLED":
		return Blacklisted
	}
	word, _, _ := strings.Cut(line, " ")
	switch word {
	case "CONNECT":
		return Connect
	case "BLACKLISTED":
		return Blacklisted
	case "DELAYED":
		return Delayed
	}
	return Info
}

// RingPattern is the distinctive ring that a line from the modem tells of, as "B"
// of RING B or "2" of RING2; empty for the plain RING. It is false for a line
// that tells of no ring.
func RingPattern(line string) (pattern string, ok bool) {
	rest, ok := strings.CutPrefix(strings.ToUpper(strings.TrimSpace(line)), "RING")
	rest = strings.TrimSpace(rest)
	switch {
	case !ok || len(rest) > 1:
		return "", false
	case rest == "", rest >= "A" && rest <= "Z", rest >= "0" && rest <= "9":
		return rest, true
	}
	return "", false
}
