package settings

import "net"

// lowestCallback is the lowest port that a node will dial to notify a client:
// those below belong to the system's own services.
const lowestCallback = 1024

// ClientSchema is the table of NCFAXCLIENT.DAT and of CLIENTSETTINGS.TXT.
var ClientSchema = &Schema{
	File: ClientFile,
	Keys: []Key{
		{Section: "SYSTEM", Name: "USETCPDYNAMICPORT", Kind: Flag, Default: "1", Help: "1: notifications come in on the first free port; 0: on CLIENTTCPSERVERPORT."},
		{Section: "SYSTEM", Name: "LIMITDYNAMICPORT", Kind: Flag, Default: "1", Help: "1: the free port is searched from LOW to HIGH below; 0: any that the system gives."},
		{Section: "SYSTEM", Name: "LOWTCPDYNAMICPORT", Kind: Port, Low: lowestCallback, Default: "1500", Help: "Lowest port to search."},
		{Section: "SYSTEM", Name: "HIGHTCPDYNAMICPORT", Kind: Port, Low: lowestCallback, Default: "20000", Help: "Highest port to search."},
		{Section: "SYSTEM", Name: "USEWINDOWSLOGINNAME", Kind: Flag, Default: "0", Help: "1: log in under the operating system's login name."},
		{Section: "SYSTEM", Name: "SAVEWINDOWSPW", Kind: Flag, Default: "0", Help: "1: remember the password once typed."},
		{Section: "NETWORK", Name: "SERVERTCPADDRESS", Kind: Address, Help: "Server to log in at if none is named."},
		{Section: "NETWORK", Name: "SERVERTCPPORT", Kind: Port, Default: "7488", Help: "The server's TCP port if none is named."},
		{Section: "NETWORK", Name: "CLIENTTCPSERVERPORT", Kind: Port, Low: lowestCallback, Default: "7485", Help: "The fixed port for notifications."},
		{Section: "NETWORK", Name: "ADVERTISECLIENTTCPPORT", Kind: Number, High: 65535, Default: "0", Help: "Port that a router maps to the fixed port; 0: the same."},
	},
	Check: checkClient,
}

// ShippedText is CLIENTSETTINGS.TXT as a new node has it.
const ShippedText = `; Settings for every client of this fax system. They are merged into the
; client's own NCFAXCLIENT.DAT when it is installed. No spaces around the =.

[SYSTEM]
; 1: each client takes notifications on a free port. Terminal servers and other
;    machines with several clients must keep this.
; 0: it uses CLIENTTCPSERVERPORT below.
USETCPDYNAMICPORT=1

; 1: the free port is searched in the range below, which firewalls must open
;    from the servers to the clients. 0: any free port.
LIMITDYNAMICPORT=1
LOWTCPDYNAMICPORT=1500
HIGHTCPDYNAMICPORT=20000

; 1: log in under the operating system's login name.
USEWINDOWSLOGINNAME=0
; 1: remember the password once typed.
SAVEWINDOWSPW=0

[NETWORK]
CLIENTTCPSERVERPORT=7485
`

// Client is NCFAXCLIENT.DAT, read.
type Client struct {
	Server         string // host:port to log in at if none is named; empty host: none
	Notify         NotifyPort
	UseSystemLogin bool // prefill the operating system's login name
	SavePassword   bool
}

// NotifyPort says where a client listens for notifications. Fixed, Low and
// High all 0 is any free port.
type NotifyPort struct {
	Fixed     uint16 // only this one
	Low, High uint16 // the first free one of these
	Advertise uint16 // what nodes are told to dial instead of Fixed; 0: Fixed
}

// Client reads values of ClientSchema.
func (v *Values) Client() Client {
	c := Client{
		Server:         net.JoinHostPort(v.Text("NETWORK", "SERVERTCPADDRESS"), v.Text("NETWORK", "SERVERTCPPORT")),
		UseSystemLogin: v.Flag("SYSTEM", "USEWINDOWSLOGINNAME"),
		SavePassword:   v.Flag("SYSTEM", "SAVEWINDOWSPW"),
	}
	switch {
	case !v.Flag("SYSTEM", "USETCPDYNAMICPORT"):
		c.Notify.Fixed = v.port("NETWORK", "CLIENTTCPSERVERPORT")
		c.Notify.Advertise = v.port("NETWORK", "ADVERTISECLIENTTCPPORT")
	case v.Flag("SYSTEM", "LIMITDYNAMICPORT"):
		c.Notify.Low = v.port("SYSTEM", "LOWTCPDYNAMICPORT")
		c.Notify.High = v.port("SYSTEM", "HIGHTCPDYNAMICPORT")
	}
	return c
}

// port is the value of a key whose range is that of ports.
func (v *Values) port(section, key string) uint16 { return uint16(v.Int(section, key)) }

func checkClient(v *Values) []error {
	var faults []error
	low, high := v.Int("SYSTEM", "LOWTCPDYNAMICPORT"), v.Int("SYSTEM", "HIGHTCPDYNAMICPORT")
	if low > high {
		// Point at the one that somebody has set.
		key, other, than := "LOWTCPDYNAMICPORT", "HIGHTCPDYNAMICPORT", "above"
		if v.Origin("SYSTEM", key) == DefaultOrigin {
			key, other, than = other, key, "below"
		}
		faults = append(faults, v.fault("SYSTEM", key, "is %d, %s %s=%d", v.Int("SYSTEM", key), than, other, v.Int("SYSTEM", other)))
	}
	advertise := v.Int("NETWORK", "ADVERTISECLIENTTCPPORT")
	switch {
	case advertise == 0:
	case advertise < lowestCallback:
		faults = append(faults, v.fault("NETWORK", "ADVERTISECLIENTTCPPORT", "is %d; nodes dial no port below %d", advertise, lowestCallback))
	case v.Flag("SYSTEM", "USETCPDYNAMICPORT"):
		faults = append(faults, v.fault("NETWORK", "ADVERTISECLIENTTCPPORT", "needs a fixed port; set [SYSTEM] USETCPDYNAMICPORT=0"))
	}
	return faults
}
