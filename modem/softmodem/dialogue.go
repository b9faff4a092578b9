package softmodem

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
)

// Registers that do something (V.250 6.3).
const (
	s0Rings   = 0 // rings before the modem answers by itself, 0 never
	s7Carrier = 7 // seconds from dialling to the far end's carrier
	registers = 32
)

// dialogue is the host's side of the modem.
type dialogue struct {
	typed   []byte // from the host, not yet looked at
	command []byte
	rest    string // commands behind one that takes time, on the same line
	echo    bool
	verbose bool
	quiet   bool
	class   int
	far     bool // +FAR=1: adaptive reception
	s       [registers]int
}

func (h *dialogue) reset() {
	typed := h.typed
	*h = dialogue{typed: typed, echo: true, verbose: true}
	h.s[s7Carrier] = 60
}

// say sends a result code.
func (m *Modem) say(code at.Code) {
	switch h := &m.host; {
	case h.quiet:
	case h.verbose || code.Digits() == "":
		m.port.out.put([]byte("\r\n" + code.String() + "\r\n"))
	default:
		m.port.out.put([]byte(code.Digits() + "\r"))
	}
}

// tell sends a line that is no result code.
func (m *Modem) tell(text string) {
	m.port.out.put([]byte("\r\n" + text + "\r\n"))
}

// typed takes one octet in command state. Control characters, such as a CAN
// that comes after what it was to abort, are ignored.
func (m *Modem) typed(b byte, now time.Duration) {
	h := &m.host
	if h.echo && b != at.CAN {
		m.port.out.put([]byte{b})
	}
	switch {
	case b == at.CR:
		text := strings.TrimSpace(string(h.command))
		h.command = h.command[:0]
		i := strings.Index(strings.ToUpper(text), "AT")
		if i < 0 {
			return // V.250 5.2.1: without its prefix it is no command
		}
		if len(text) >= at.MaxLine {
			m.say(at.Error)
			return
		}
		m.execute(text[i+2:], now)
	case b == '\b' && len(h.command) > 0:
		h.command = h.command[:len(h.command)-1]
	case b >= ' ' && b < 0x7F && len(h.command) < at.MaxLine:
		h.command = append(h.command, b)
	}
}

// execute runs the commands of a line. The result code comes at the end, or
// from the task that a command has started.
func (m *Modem) execute(text string, now time.Duration) {
	for {
		text = strings.TrimLeft(text, " ;")
		if text == "" {
			m.say(at.OK)
			return
		}
		cmd, rest := cut(text)
		if !m.command(cmd, now) {
			m.host.rest = ""
			m.say(at.Error)
			return
		}
		if m.task != nil {
			m.host.rest, m.again = rest, true
			return
		}
		text = rest
	}
}

// cut takes the first command off a line: an extended one runs to the
// semicolon, a dial string to the end, a basic one to the end of its number.
func cut(text string) (cmd, rest string) {
	switch text[0] {
	case '+':
		cmd, rest, _ = strings.Cut(text, ";")
		return strings.ToUpper(strings.TrimSpace(cmd)), rest
	case 'D', 'd':
		return text, ""
	}
	i := 1
	if strings.ContainsRune("&\\%", rune(text[0])) && len(text) > 1 {
		i = 2
	}
	for i < len(text) && strings.ContainsRune("0123456789=?", rune(text[i])) {
		i++
	}
	return strings.ToUpper(text[:i]), text[i:]
}

// command runs one command; false is an error.
func (m *Modem) command(cmd string, now time.Duration) bool {
	if cmd[0] == '+' {
		return m.extended(cmd[1:], now)
	}
	h, arg := &m.host, cmd[1:]
	switch cmd[0] {
	case 'D', 'd':
		return m.dial(arg, now)
	case 'A':
		return m.answer(now)
	case 'E':
		h.echo = arg == "1"
	case 'V':
		h.verbose = arg != "0"
	case 'Q':
		h.quiet = arg == "1"
	case 'H':
		m.hangUp()
		return arg == "" || arg == "0"
	case 'Z':
		m.hangUp()
		h.reset()
	case 'I':
		m.tell("simulated Class 1 fax modem")
	case 'S':
		return m.register(arg)
	case '&':
		if strings.HasPrefix(arg, "F") {
			m.hangUp()
			h.reset()
		}
	case 'L', 'M', 'X', 'T', 'P', '\\', '%': // loudspeaker, call progress, pulses: nothing to do here
	default:
		return false
	}
	return true
}

func (m *Modem) register(arg string) bool {
	name, value, set := strings.Cut(arg, "=")
	n, err := strconv.Atoi(strings.TrimSuffix(name, "?"))
	if err != nil || n < 0 || n >= registers {
		return false
	}
	if !set {
		m.tell(fmt.Sprintf("%03d", m.host.s[n]))
		return true
	}
	v, err := strconv.Atoi(value)
	if err != nil || v < 0 || v > 255 {
		return false
	}
	m.host.s[n] = v
	return true
}

// extended runs the command behind a plus sign.
func (m *Modem) extended(cmd string, now time.Duration) bool {
	switch i := strings.IndexAny(cmd, "=?"); {
	case i < 0:
		return false
	case cmd[i:] == "=?":
		return m.list(cmd[:i])
	case cmd[i:] == "?":
		return m.query(cmd[:i])
	case cmd[i] == '=':
		return m.set(cmd[:i], cmd[i+1:], now)
	}
	return false
}

func (m *Modem) list(name string) bool {
	switch name {
	case "FCLASS":
		m.tell("0,1,1.0")
	case "FTM", "FRM":
		var codes []string
		for _, t := range at.Traits() {
			codes = append(codes, strconv.Itoa(int(t.Code)))
		}
		m.tell(strings.Join(codes, ","))
	case "FTH", "FRH":
		m.tell("3")
	case "FTS", "FRS":
		m.tell("0-255")
	case "FAR", "VCID":
		m.tell("0,1")
	default:
		return false
	}
	return true
}

func (m *Modem) query(name string) bool {
	switch name {
	case "FCLASS":
		m.tell(strconv.Itoa(m.host.class))
	case "FAR":
		if m.host.far {
			m.tell("1")
		} else {
			m.tell("0")
		}
	case "FMI", "GMI":
		m.tell("faxmesh")
	case "FMM", "GMM":
		m.tell("simulated modem")
	case "FMR", "GMR":
		m.tell("simulated, Class 1")
	default:
		return false
	}
	return true
}

func (m *Modem) set(name, arg string, now time.Duration) bool {
	if name == "FCLASS" && arg == "1.0" {
		arg = "1"
	}
	n, err := strconv.Atoi(arg)
	if err != nil || n < 0 || n > 255 {
		return false
	}
	switch name {
	case "FCLASS":
		if n > 1 {
			return false
		}
		m.host.class = n
		return true
	case "FAR":
		m.host.far = n == 1
		return n <= 1
	case "VCID":
		return n <= 1 // caller identification is always told
	case "FTS", "FRS", "FTH", "FRH", "FTM", "FRM":
		return m.fax(name, n, now)
	}
	return false
}

// fax starts one of the commands that work on a call.
func (m *Modem) fax(name string, n int, now time.Duration) bool {
	if m.host.class != 1 || !m.call.offHook {
		return false
	}
	mod := at.Modulation(n)
	_, image := mod.Trait()
	switch {
	case name == "FTS":
		m.task = &silence{until: now + time.Duration(n)*10*time.Millisecond}
	case name == "FRS":
		m.task = &hush{since: now, length: time.Duration(n) * 10 * time.Millisecond}
	case name == "FTH" && mod == at.V21:
		m.sendFrames(now)
	case name == "FRH" && mod == at.V21:
		m.task = &hearFrame{since: now, limit: never}
	case name == "FTM" && image:
		m.sendData(mod, now)
	case name == "FRM" && image:
		m.task = &hearData{mod: mod, since: now}
	default:
		return false
	}
	return true
}
