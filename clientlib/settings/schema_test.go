package settings

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestDefaultsAreInRange(t *testing.T) {
	for _, s := range []*Schema{ServerSchema, ClientSchema} {
		for _, k := range s.Keys {
			if got, err := k.check(k.Default); err != nil || got != k.Default {
				t.Errorf("%s [%s] %s: default %q gives %q, %v", s.File, k.Section, k.Name, k.Default, got, err)
			}
			if k.Help == "" || !strings.HasSuffix(k.Help, ".") {
				t.Errorf("%s [%s] %s has no sentence of help", s.File, k.Section, k.Name)
			}
		}
		if _, _, err := s.Resolve(); err != nil {
			t.Errorf("%s does not start on its defaults: %v", s.File, err)
		}
	}
}

func TestShippedTextIsTheDefaults(t *testing.T) {
	f, err := Parse(ShippedFile, []byte(ShippedText))
	if err != nil {
		t.Fatal(err)
	}
	v, warnings, err := ClientSchema.Resolve(f.Layer())
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	plain, _, _ := ClientSchema.Resolve()
	for _, s := range plain.All() {
		if got := v.Text(s.Section, s.Key); got != s.Value {
			t.Errorf("[%s] %s is shipped as %q, default %q", s.Section, s.Key, got, s.Value)
		}
	}
}

func TestTheAncestorsDefaults(t *testing.T) {
	v, _, err := ClientSchema.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	want := Client{Server: ":7488", Notify: NotifyPort{Low: 1500, High: 20000}}
	if got := v.Client(); got != want {
		t.Errorf("client defaults are %+v, want %+v", got, want)
	}
	s, _, err := ServerSchema.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Server(); !reflect.DeepEqual(got, Server{Client: Listen{Bind: ":7488"}, Cluster: Listen{Bind: ":7487"}, Copies: 2, MinFree: 1 << 30}) {
		t.Errorf("server defaults are %+v", got)
	}
}

func TestLayersAndTheirOrigin(t *testing.T) {
	file := parse(t, "[NETWORK]\nSERVERTCPPORT=7500\nCOPIES=3\n")
	env := EnvLayer([]string{"PATH=/bin", "NCFX_NETWORK_COPIES=04", "NCFX_LINE2_DEVICE=/dev/ttyS1"})
	flags := Layer{}.Flag("NODE", "NAME", "north", "name")
	v, warnings, err := ServerSchema.Resolve(file.Layer(), env, flags)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	for _, c := range [][4]string{
		{"NETWORK", "SERVERTCPPORT", "7500", "TEST.DAT:2"},
		{"NETWORK", "COPIES", "4", "NCFX_NETWORK_COPIES"},
		{"NETWORK", "SERVERUDPPORT", "7487", "default"},
		{"NODE", "NAME", "north", "--name"},
		{"LINE2", "DEVICE", "/dev/ttyS1", "NCFX_LINE2_DEVICE"},
		{"LINE2", "SPEED", "115200", "default"},
	} {
		if text, origin := v.Text(c[0], c[1]), v.Origin(c[0], c[1]); text != c[2] || origin != c[3] {
			t.Errorf("[%s] %s is %q from %s, want %q from %s", c[0], c[1], text, origin, c[2], c[3])
		}
		if !slices.ContainsFunc(v.All(), func(s Setting) bool { return s == Setting{c[0], c[1], c[2], c[3]} }) {
			t.Errorf("All leaves out [%s] %s", c[0], c[1])
		}
	}
}

func TestUnknownKeysAreWarnings(t *testing.T) {
	f := parse(t, "[NETWORK]\nCOPYS=3\n[LINE0]\nDEVICE=x\n[LINE01]\nDEVICE=x\n[LINE]\nDEVICE=x\n[LINE1000]\nDEVICE=x\n")
	_, warnings, err := ServerSchema.Resolve(f.Layer())
	if err != nil || len(warnings) != 5 {
		t.Fatalf("%v, %v", warnings, err)
	}
	if got := warnings[0].Error(); got != "TEST.DAT:2: [NETWORK] COPYS is not a setting of NCFXSERVER.DAT; it is ignored" {
		t.Error(got)
	}
}

func TestBadValuesNameTheirPlace(t *testing.T) {
	for _, c := range []struct {
		schema     *Schema
		text, want string
	}{
		{ServerSchema, "[NETWORK]\nSERVERTCPPORT=0\n", "TEST.DAT:2: [NETWORK] SERVERTCPPORT must be a number from 1 to 65535"},
		{ServerSchema, "[NETWORK]\nSERVERTCPPORT=65536\n", "from 1 to 65535, not \"65536\""},
		{ServerSchema, "[NETWORK]\nSERVERTCPPORT=99999999999999999999\n", "from 1 to 65535"},
		{ServerSchema, "[NETWORK]\nSERVERTCPPORT=\n", "from 1 to 65535"},
		{ServerSchema, "[NETWORK]\n\nSERVERTCPPORT=7487\n", "TEST.DAT:3: [NETWORK] SERVERTCPPORT and SERVERUDPPORT are both 7487"},
		{ServerSchema, "[NETWORK]\nCOPIES=0\n", "from 1 to 9"},
		{ServerSchema, "[NETWORK]\nALLOWAUTOACCOUNTCREATION=yes\n", "must be 0 (off) or 1 (on), not \"yes\""},
		{ServerSchema, "[NETWORK]\nADVERTISEUDP=fax.example\n", "must be HOST:PORT, not \"fax.example\""},
		{ServerSchema, "[NETWORK]\nADVERTISEUDP=fax.example:0\n", "port from 1 to 65535"},
		{ServerSchema, "[NETWORK]\nSERVERTCPADDRESS=1.2.3.4:7488\n", "must be an IP address or a host name"},
		{ServerSchema, "[NODE]\nNAME=a/b\n", "TEST.DAT:2: [NODE] NAME is bad"},
		{ServerSchema, "[LINE1]\nNUMBER=100\n", "TEST.DAT:2: [LINE1] DEVICE is missing"},
		{ServerSchema, "[LINE1]\nDEVICE=exchange:localhost:7499\nNUMBER=100\n", "TEST.DAT:2: [LINE1] DEVICE is a simulated exchange; say so with TYPE=simulated"},
		{ServerSchema, "[LINE1]\nTYPE=simulated\nDEVICE=/dev/ttyS0\n", "TEST.DAT:3: [LINE1] DEVICE must be exchange:HOST:PORT"},
		{ServerSchema, "[LINE1]\nTYPE=simulated\nDEVICE=exchange:\n", "must be exchange:HOST:PORT"},
		{ServerSchema, "[LINE1]\nTYPE=simulated\nDEVICE=exchange:h:1\n", "NUMBER is missing"},
		{ServerSchema, "[LINE1]\nDEVICE=/dev/a\n[LINE2]\nDEVICE=/dev/a\n", "TEST.DAT:4: [LINE2] DEVICE /dev/a is that of [LINE1] already"},
		{ServerSchema, "[LINE1]\nDEVICE=/dev/a\nNUMBER=abc\n", "TEST.DAT:3: [LINE1] NUMBER is bad"},
		{ServerSchema, "[LINE1]\nDEVICE=/dev/a\nSTATIONID=Büro\n", "TEST.DAT:3: [LINE1] STATIONID has the character 'ü'"},
		{ServerSchema, "[LINE1]\nDEVICE=/dev/a\nFLOWCONTROL=HARD\n", "must be RTSCTS or XONXOFF or NONE"},
		{ServerSchema, "[LINE1]\nDEVICE=/dev/a\nCLASS=2.0\n", "TEST.DAT:3: [LINE1] CLASS is 2.0, in which the modem would run the fax procedure itself; that is not supported: set CLASS=1"},
		{ServerSchema, "[LINE1]\nDEVICE=/dev/a\nCLASS=3\n", "CLASS must be 1 or 1.0, not \"3\""},
		{ServerSchema, "[LINE1]\nDEVICE=/dev/a\nDIALPREFIX=0;H\n", "DIALPREFIX \"0;H\" has what no modem dials"},
		{ServerSchema, "[LINE1]\nDEVICE=/dev/a\nINIT=M0é\n", "INIT has the character"},
		{ServerSchema, "[LINE1]\nDEVICE=/dev/a\nLOCKDIR=lock\n", "LOCKDIR must be a whole path"},
		{ServerSchema, "[LINE1]\nDEVICE=/dev/a\nMAXRATE=14000\n", "must be 14400 or 9600 or 4800 or 2400"},
		{ServerSchema, "[LINE1]\nDEVICE=/dev/a\nTMDELAY=2000\n", "TMDELAY must be a number from 0 to 1000"},
		{ClientSchema, "[SYSTEM]\nLOWTCPDYNAMICPORT=1023\n", "TEST.DAT:2: [SYSTEM] LOWTCPDYNAMICPORT must be a number from 1024 to 65535"},
		{ClientSchema, "[SYSTEM]\nLOWTCPDYNAMICPORT=30000\n", "TEST.DAT:2: [SYSTEM] LOWTCPDYNAMICPORT is 30000, above HIGHTCPDYNAMICPORT=20000"},
		{ClientSchema, "[SYSTEM]\nHIGHTCPDYNAMICPORT=1400\n", "TEST.DAT:2: [SYSTEM] HIGHTCPDYNAMICPORT is 1400, below LOWTCPDYNAMICPORT=1500"},
		{ClientSchema, "[NETWORK]\nCLIENTTCPSERVERPORT=80\n", "from 1024 to 65535"},
		{ClientSchema, "[NETWORK]\nADVERTISECLIENTTCPPORT=9000\n", "TEST.DAT:2: [NETWORK] ADVERTISECLIENTTCPPORT needs a fixed port"},
		{ClientSchema, "[SYSTEM]\nUSETCPDYNAMICPORT=0\n[NETWORK]\nADVERTISECLIENTTCPPORT=25\n", "TEST.DAT:4: [NETWORK] ADVERTISECLIENTTCPPORT is 25; nodes dial no port below 1024"},
	} {
		_, _, err := c.schema.Resolve(parse(t, c.text).Layer())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q gives %v, want %q", c.text, err, c.want)
		}
	}
}

func TestNotifyPort(t *testing.T) {
	for text, want := range map[string]NotifyPort{
		"[SYSTEM]\nLIMITDYNAMICPORT=0\n":                                          {},
		"[SYSTEM]\nUSETCPDYNAMICPORT=0\n":                                         {Fixed: 7485},
		"[SYSTEM]\nLOWTCPDYNAMICPORT=1024\nHIGHTCPDYNAMICPORT=1024\n":             {Low: 1024, High: 1024},
		"[SYSTEM]\nUSETCPDYNAMICPORT=0\n[NETWORK]\nADVERTISECLIENTTCPPORT=9000\n": {Fixed: 7485, Advertise: 9000},
	} {
		v, _, err := ClientSchema.Resolve(parse(t, text).Layer())
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if got := v.Client().Notify; got != want {
			t.Errorf("%q gives %+v, want %+v", text, got, want)
		}
	}
}

func TestServerLines(t *testing.T) {
	f := parse(t, "[LINE10]\nDEVICE=/dev/ttyS9\nNUMBER=+45 10\n[LINE2]\nTYPE=SIMULATED\nDEVICE=exchange:[::1]:7499\nNUMBER=100\nSTATIONID=NORTH\nSPEED=9600\nFLOWCONTROL=none\nINIT=&F\n"+
		"LOCKDIR=\nCLASS=1.0\nDIALPREFIX=0,\nMAXRATE=9600\nNOADAPTIVE=1\nNOFCS=1\nRHCONNECTBUG=1\nDLEBUG=1\nTMDELAY=400\n")
	v, _, err := ServerSchema.Resolve(f.Layer())
	if err != nil {
		t.Fatal(err)
	}
	want := []Line{
		{Index: 2, Name: "line2", Device: "[::1]:7499", Type: TypeSimulated, Number: "100", StationID: "NORTH", Speed: 9600, FlowControl: "NONE", Init: "&F",
			Class: "1.0", DialPrefix: "0,", MaxRate: 9600, Bugs: LineBugs{NoAdaptive: true, NoFCS: true, RHConnect: true, DLE: true, TMDelay: 400}},
		{Index: 10, Name: "line10", Device: "/dev/ttyS9", Type: TypeClass1, Number: "+45 10", StationID: "+45 10", Speed: 115200, FlowControl: "RTSCTS",
			LockDir: "/var/lock", Class: "1", MaxRate: 14400},
	}
	if got := v.Server().Lines; !reflect.DeepEqual(got, want) {
		t.Errorf("lines are %+v, want %+v", got, want)
	}
}

func TestTemplateIsTheSettingsItWasGiven(t *testing.T) {
	set := Layer{}.Flag("NODE", "NAME", "north", "").Flag("NETWORK", "SERVERTCPPORT", "7498", "").
		Flag("LINE1", "DEVICE", "exchange:127.0.0.1:7499", "").Flag("LINE1", "TYPE", "simulated", "").Flag("LINE1", "NUMBER", "100", "")
	for _, layer := range []Layer{set, set[:2], nil} {
		f, err := ServerSchema.Template(layer)
		if err != nil {
			t.Fatal(err)
		}
		v, warnings, err := ServerSchema.Resolve(f.Layer())
		if err != nil || len(warnings) > 0 {
			t.Fatal(err, warnings)
		}
		if got := len(f.Entries()); got != len(layer) {
			t.Errorf("%d entries are set, want %d:\n%s", got, len(layer), f.Bytes())
		}
		for _, s := range layer {
			if got := v.Text(s.Section, s.Key); got != s.Value {
				t.Errorf("[%s] %s is %q, want %q", s.Section, s.Key, got, s.Value)
			}
		}
		for _, k := range ServerSchema.Keys {
			if !strings.Contains(string(f.Bytes()), k.Name+"=") {
				t.Errorf("%s is not shown", k.Name)
			}
		}
	}
}
