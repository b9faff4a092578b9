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
// and in what they append (CONNECT 14400, DELAYED 00:59), so those two and
// BLACKLISTED are taken by their first word.
func Parse(line string) Code {
	line = strings.ToUpper(strings.TrimSpace(line))
	switch strings.ReplaceAll(line, " ", "") {
	case "OK":
		return OK
	case "RING":
		return Ring
	case "NOCARRIER":
		return NoCarrier
	case "ERROR":
		return Error
	case "NODIALTONE", "NODIALTONE!":
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
