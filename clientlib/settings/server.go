package settings

import (
	"net"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// The names of the files.
const (
	ServerFile   = "NCFXSERVER.DAT"     // a node's own, in its DATA directory
	ShippedFile  = "CLIENTSETTINGS.TXT" // kept by the node, merged into the client's own
	ClientFile   = "NCFAXCLIENT.DAT"    // a client's own
	ServerFolder = "DATA"
)

// The kinds of lines.
const (
	TypeClass1    = "class1"
	TypeSimulated = "simulated"
)

// ExchangePrefix begins the DEVICE of a line that is plugged into a simulated
// telephone exchange at HOST:PORT.
const ExchangePrefix = "exchange:"

// ServerSchema is the table of NCFXSERVER.DAT.
var ServerSchema = &Schema{
	File: ServerFile,
	Keys: []Key{
		{Section: "NODE", Name: "NAME", Kind: Text, High: fax.MaxName, Help: "Name of this node, unique in the cluster."},
		{Section: "NODE", Name: "SITE", Kind: Text, High: fax.MaxName, Help: "Name of the place where this node stands; votes are spread over the places. Empty: all nodes are in one."},
		{Section: "NODE", Name: "VOTE", Kind: Flag, Default: "1", Help: "0: this node is never given a vote, as on a machine that is often off or behind a thin line."},
		{Section: "NETWORK", Name: "SERVERTCPADDRESS", Kind: Address, Help: "Address on which clients are served; empty is every address."},
		{Section: "NETWORK", Name: "SERVERTCPPORT", Kind: Port, Default: "7488", Help: "TCP port on which clients are served."},
		{Section: "NETWORK", Name: "ADVERTISETCP", Kind: HostPort, Help: "HOST:PORT that clients are told to dial, if a router maps it to the port above."},
		{Section: "NETWORK", Name: "SERVERUDPADDRESS", Kind: Address, Help: "Address on which other nodes are served; empty is every address."},
		{Section: "NETWORK", Name: "SERVERUDPPORT", Kind: Port, Default: "7487", Help: "Port, UDP and TCP, on which other nodes are served."},
		{Section: "NETWORK", Name: "ADVERTISEUDP", Kind: HostPort, Help: "HOST:PORT that other nodes are told to dial; needed if SERVERUDPADDRESS is empty."},
		{Section: "NETWORK", Name: "ALLOWAUTOACCOUNTCREATION", Kind: Flag, Default: "0", Help: "1: an unknown login name creates a visitor account."},
		{Section: "NETWORK", Name: "COPIES", Kind: Number, Default: "2", Low: 1, High: 9, Help: "Nodes that must hold a document before it counts as safe."},
		{Section: "CLUSTER", Name: "ENCRYPTATREST", Kind: Flag, Default: "1", Help: "1: documents are encrypted on this node's disk; 0: not those that come from now on."},
		{Section: "STORAGE", Name: "QUOTA", Kind: Number, Default: "0", High: 1 << 30, Help: "MiB that documents may take on this node's disk; 0 is as much as there is."},
		{Section: "STORAGE", Name: "MINFREE", Kind: Number, Default: "1024", Low: 1, High: 1 << 30, Help: "MiB that new work leaves free on the disk, for calls under way; of a small disk a twentieth."},
		{Section: "LINE#", Name: "DEVICE", Kind: Text, High: 255, Help: "Serial port of the modem, or exchange:HOST:PORT of a simulated exchange."},
		{Section: "LINE#", Name: "TYPE", Kind: Word, Default: TypeClass1, Words: []string{TypeClass1, TypeSimulated}, Help: "What is plugged in there."},
		{Section: "LINE#", Name: "NUMBER", Kind: Text, High: fax.MaxNumber, Help: "Telephone number of the line."},
		{Section: "LINE#", Name: "STATIONID", Kind: Text, High: fax.StationLen, Help: "Identification sent to remote stations (TSI, CSI); empty is the number."},
		{Section: "LINE#", Name: "SPEED", Kind: Number, Default: "115200", Low: 1200, High: 921600, Help: "Speed of the serial port in bit/s."},
		{Section: "LINE#", Name: "FLOWCONTROL", Kind: Word, Default: "RTSCTS", Words: []string{"RTSCTS", "XONXOFF", "NONE"}, Help: "Flow control of the serial port."},
		{Section: "LINE#", Name: "LOCKDIR", Kind: Text, High: 255, Default: "/var/lock", Help: "Directory of UUCP lock files, by which programs keep off each other's serial ports; empty: none are used."},
		{Section: "LINE#", Name: "CLASS", Kind: Text, Low: 1, High: 3, Default: "1", Help: "Service class of the modem: 1 or 1.0."},
		{Section: "LINE#", Name: "INIT", Kind: Text, High: 255, Help: "AT commands sent to the modem after its reset, without the AT."},
		{Section: "LINE#", Name: "DIALPREFIX", Kind: Text, High: 20, Help: "Put before each number, as 0, for an outside line; with T or P in front for tones or pulses."},
		{Section: "LINE#", Name: "RINGS", Kind: Text, High: 255, Help: "Numbers that ring this line distinctively, as B:5550102,C:5550103: the ring as the modem names it, and the number called."},
		{Section: "LINE#", Name: "MAXRATE", Kind: Word, Default: "14400", Words: []string{"14400", "9600", "4800", "2400"}, Help: "Highest rate used on this line in bit/s."},
		{Section: "LINE#", Name: "NOADAPTIVE", Kind: Flag, Default: "0", Help: "1: the modem has a faulty adaptive reception (+FAR)."},
		{Section: "LINE#", Name: "NOFCS", Kind: Flag, Default: "0", Help: "1: the modem keeps the check sequence of received frames to itself."},
		{Section: "LINE#", Name: "RHCONNECTBUG", Kind: Flag, Default: "0", Help: "1: the modem takes any noise for a V.21 carrier."},
		{Section: "LINE#", Name: "DLEBUG", Kind: Flag, Default: "0", Help: "1: the modem does not double the DLEs in received frames."},
		{Section: "LINE#", Name: "TMDELAY", Kind: Number, Default: "0", High: 1000, Help: "Milliseconds for which the modem cannot take data after the CONNECT of +FTM."},
	},
	Check: checkServer,
}

// Server is NCFXSERVER.DAT, read.
type Server struct {
	Name    string
	Site    string // where it stands
	NoVote  bool
	Client  Listen // TCP, for clients
	Cluster Listen // UDP and TCP, for other nodes
	// Visitors may create their own account by logging in.
	Visitors bool
	Copies   int   // nodes that hold a document
	Plain    bool  // documents are not encrypted on disk
	Quota    int64 // octets of documents; 0: as the disk has room
	MinFree  int64 // octets that stay free on the disk
	Lines    []Line
}

// Listen is where a port is bound, and what others are told to dial.
type Listen struct {
	Bind      string // host:port; an empty host is every address
	Advertise string // host:port; empty: the bound one
}

// Line is one [LINEn].
type Line struct {
	Index       int    // n
	Name        string // as "line1"
	Device      string // serial port; for a simulated line host:port of the exchange
	Type        string // TypeClass1 or TypeSimulated
	Number      string
	StationID   string
	Speed       int    // bit/s
	FlowControl string // "RTSCTS", "XONXOFF" or "NONE"
	LockDir     string // for UUCP lock files; empty: none
	Class       string // "1" or "1.0"
	Init        string
	DialPrefix  string
	Rings       map[string]string // number called, by its distinctive ring as "B"
	MaxRate     int               // bit/s
	Bugs        LineBugs
}

// LineBugs are the known faults of a line's modem.
type LineBugs struct {
	NoAdaptive bool
	NoFCS      bool
	RHConnect  bool
	DLE        bool
	TMDelay    int // ms
}

// Server reads values of ServerSchema.
func (v *Values) Server() Server {
	s := Server{
		Name:     v.Text("NODE", "NAME"),
		Site:     v.Text("NODE", "SITE"),
		NoVote:   !v.Flag("NODE", "VOTE"),
		Client:   v.listen("SERVERTCPADDRESS", "SERVERTCPPORT", "ADVERTISETCP"),
		Cluster:  v.listen("SERVERUDPADDRESS", "SERVERUDPPORT", "ADVERTISEUDP"),
		Visitors: v.Flag("NETWORK", "ALLOWAUTOACCOUNTCREATION"),
		Copies:   v.Int("NETWORK", "COPIES"),
		Plain:    !v.Flag("CLUSTER", "ENCRYPTATREST"),
		Quota:    int64(v.Int("STORAGE", "QUOTA")) << 20,
		MinFree:  int64(v.Int("STORAGE", "MINFREE")) << 20,
	}
	for _, section := range v.Numbered("LINE") {
		s.Lines = append(s.Lines, v.line(section))
	}
	return s
}

func (v *Values) listen(address, port, advertise string) Listen {
	return Listen{
		Bind:      net.JoinHostPort(v.Text("NETWORK", address), v.Text("NETWORK", port)),
		Advertise: v.Text("NETWORK", advertise),
	}
}

func (v *Values) line(section string) Line {
	l := Line{
		Index:       sectionNumber("LINE", section),
		Name:        strings.ToLower(section),
		Device:      strings.TrimPrefix(v.Text(section, "DEVICE"), ExchangePrefix),
		Type:        v.Text(section, "TYPE"),
		Number:      v.Text(section, "NUMBER"),
		StationID:   v.Text(section, "STATIONID"),
		Speed:       v.Int(section, "SPEED"),
		FlowControl: v.Text(section, "FLOWCONTROL"),
		LockDir:     v.Text(section, "LOCKDIR"),
		Class:       v.Text(section, "CLASS"),
		Init:        v.Text(section, "INIT"),
		DialPrefix:  v.Text(section, "DIALPREFIX"),
		MaxRate:     v.Int(section, "MAXRATE"),
		Bugs: LineBugs{
			NoAdaptive: v.Flag(section, "NOADAPTIVE"),
			NoFCS:      v.Flag(section, "NOFCS"),
			RHConnect:  v.Flag(section, "RHCONNECTBUG"),
			DLE:        v.Flag(section, "DLEBUG"),
			TMDelay:    v.Int(section, "TMDELAY"),
		},
	}
	l.Rings, _ = parseRings(v.Text(section, "RINGS")) // it was checked
	if l.StationID == "" && len(l.Number) <= fax.StationLen {
		l.StationID = l.Number
	}
	return l
}

// checkServer looks at what the values mean together.
func checkServer(v *Values) []error {
	var faults []error
	if name := v.Text("NODE", "NAME"); name != "" {
		if err := fax.CheckName("node", name); err != nil {
			faults = append(faults, v.fault("NODE", "NAME", "is bad: %v", err))
		}
	}
	samePlace := v.Text("NETWORK", "SERVERTCPADDRESS") == v.Text("NETWORK", "SERVERUDPADDRESS")
	if samePlace && v.Int("NETWORK", "SERVERTCPPORT") == v.Int("NETWORK", "SERVERUDPPORT") {
		faults = append(faults, v.fault("NETWORK", "SERVERTCPPORT", "and SERVERUDPPORT are both %s; clients and nodes need a port each", v.Text("NETWORK", "SERVERTCPPORT")))
	}
	devices := map[string]string{}
	for _, section := range v.Numbered("LINE") {
		if err := v.checkLine(section); err != nil {
			faults = append(faults, err)
		}
		device := v.Text(section, "DEVICE")
		if first, twice := devices[device]; twice && v.Text(section, "TYPE") == TypeClass1 {
			faults = append(faults, v.fault(section, "DEVICE", "%s is that of [%s] already", device, first))
		}
		devices[device] = section
	}
	return faults
}

func (v *Values) checkLine(section string) error {
	device, number := v.Text(section, "DEVICE"), v.Text(section, "NUMBER")
	at, exchange := strings.CutPrefix(device, ExchangePrefix)
	simulated := v.Text(section, "TYPE") == TypeSimulated
	switch {
	case device == "":
		return v.faultInSection(section, "DEVICE", "is missing; name a serial port, or exchange:HOST:PORT for a simulated line")
	case exchange && !simulated:
		return v.fault(section, "DEVICE", "is a simulated exchange; say so with TYPE=%s", TypeSimulated)
	case simulated && !exchange:
		return v.fault(section, "DEVICE", "must be exchange:HOST:PORT if TYPE=%s, not %q", TypeSimulated, device)
	case simulated && (at == "" || checkHostPort(at) != nil):
		return v.fault(section, "DEVICE", "must be exchange:HOST:PORT, not %q", device)
	case simulated && number == "":
		return v.faultInSection(section, "NUMBER", "is missing; the simulated exchange must know which number to ring")
	}
	for _, r := range v.Text(section, "STATIONID") {
		if r < ' ' || r > '~' {
			return v.fault(section, "STATIONID", "has the character %q; remote stations take ASCII only", r)
		}
	}
	if err := v.checkModem(section); err != nil {
		return err
	}
	if number == "" {
		return nil
	}
	if err := fax.CheckNumber(number); err != nil {
		return v.fault(section, "NUMBER", "is bad: %v", err)
	}
	return nil
}

// checkModem looks at what would become AT commands.
func (v *Values) checkModem(section string) error {
	switch class := v.Text(section, "CLASS"); class {
	case "1", "1.0":
	case "2", "2.0", "2.1":
		return v.fault(section, "CLASS", "is %s, in which the modem would run the fax procedure itself; that is not supported: set CLASS=1, which nearly every modem has as well", class)
	default:
		return v.fault(section, "CLASS", "must be 1 or 1.0, not %q", class)
	}
	for _, r := range v.Text(section, "INIT") {
		if r < ' ' || r > '~' {
			return v.fault(section, "INIT", "has the character %q; modems take ASCII only", r)
		}
	}
	if _, err := parseRings(v.Text(section, "RINGS")); err != nil {
		return v.fault(section, "RINGS", "%v", err)
	}
	if prefix := v.Text(section, "DIALPREFIX"); strings.Trim(prefix, "0123456789*#+,-TtPpWw@!") != "" {
		return v.fault(section, "DIALPREFIX", "%q has what no modem dials; use digits, * # + , - W @ ! and T or P in front", prefix)
	}
	if dir := v.Text(section, "LOCKDIR"); dir != "" && !strings.HasPrefix(dir, "/") {
		return v.fault(section, "LOCKDIR", "must be a whole path, as /var/lock, or empty; not %q", dir)
	}
	return nil
}

// faultInSection is about a key that nobody has set: it points at one that is.
func (v *Values) faultInSection(section, key, format string, args ...any) error {
	err := v.fault(section, key, format, args...).(*Fault)
	for _, s := range v.All() {
		if s.Section == section && s.Origin != DefaultOrigin {
			err.Where = s.Origin
			break
		}
	}
	return err
}
