package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

// setup is what a new node is told about itself: the flags that init and join
// share, and that become its settings file.
type setup struct {
	dir             string
	name            string
	site            string
	listen          string
	advertise       string
	clientListen    string
	clientAdvertise string
	lines           []string
}

func (s *setup) flags(cmd *cobra.Command) {
	dataFlag(cmd, &s.dir)
	f := cmd.Flags()
	f.StringVar(&s.name, "name", "", "name of this node, unique in the cluster")
	f.StringVar(&s.site, "site", "", "name of the place where this node stands; votes are spread over the places")
	f.StringVar(&s.listen, "listen", ":7487", "where other nodes are served, UDP and TCP")
	f.StringVar(&s.advertise, "advertise", "", "HOST:PORT that other nodes are told to dial (default: from --listen)")
	f.StringVar(&s.clientListen, "client-listen", ":7488", "where clients are served, TCP")
	f.StringVar(&s.clientAdvertise, "client-advertise", "", "HOST:PORT that clients are told to dial (default: from --client-listen)")
	f.StringArrayVar(&s.lines, "line", nil, "NUMBER@DEVICE of a line, DEVICE being a serial port or exchange:HOST:PORT (may be repeated)")
}

// file makes the settings file, and refuses what a node would not start on.
func (s *setup) file() (*settings.File, *settings.Values, error) {
	if err := needData(s.dir); err != nil {
		return nil, nil, err
	}
	if err := fax.CheckName("node", s.name); err != nil {
		return nil, nil, terminal.Usagef("%w; give it one with --name", err)
	}
	layer := settings.Layer{}.Flag("NODE", "NAME", s.name, "name")
	if s.site != "" {
		if err := fax.CheckName("site", s.site); err != nil {
			return nil, nil, &terminal.Error{Status: terminal.Usage, Err: err}
		}
		layer = layer.Flag("NODE", "SITE", s.site, "site")
	}
	for _, e := range []struct{ flag, value, address, port, advertised, advertise string }{
		{"client-listen", s.clientListen, "SERVERTCPADDRESS", "SERVERTCPPORT", "ADVERTISETCP", s.clientAdvertise},
		{"listen", s.listen, "SERVERUDPADDRESS", "SERVERUDPPORT", "ADVERTISEUDP", s.advertise},
	} {
		host, port, err := net.SplitHostPort(e.value)
		if err != nil {
			return nil, nil, terminal.Usagef("--%s %q is not HOST:PORT", e.flag, e.value)
		}
		layer = layer.Flag("NETWORK", e.address, host, e.flag).Flag("NETWORK", e.port, port, e.flag)
		if e.advertise == "" {
			e.advertise = reachable(host, port)
		}
		if e.advertise != "" {
			layer = layer.Flag("NETWORK", e.advertised, e.advertise, strings.TrimSuffix(e.flag, "listen")+"advertise")
		}
	}
	for i, line := range s.lines {
		number, device, found := strings.Cut(line, "@")
		if !found || number == "" || device == "" {
			return nil, nil, terminal.Usagef("--line %q is not NUMBER@DEVICE", line)
		}
		section := "LINE" + strconv.Itoa(i+1)
		layer = layer.Flag(section, "DEVICE", device, "line").Flag(section, "NUMBER", number, "line")
		if strings.HasPrefix(device, settings.ExchangePrefix) {
			layer = layer.Flag(section, "TYPE", settings.TypeSimulated, "line")
		}
	}
	values, _, err := settings.ServerSchema.Resolve(layer)
	if err != nil {
		return nil, nil, &terminal.Error{Status: terminal.Usage, Err: err}
	}
	f, err := settings.ServerSchema.Template(layer)
	return f, values, err
}

// reachable is what others can dial if every address is served: this machine's
// first one that is not its own alone. A node with several is told which with
// --advertise.
func reachable(host, port string) string {
	if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsUnspecified()) {
		return "" // what is served can be dialled
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	var found []netip.Addr
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().IsGlobalUnicast() {
			found = append(found, prefix.Addr())
		}
	}
	if len(found) == 0 {
		return net.JoinHostPort("127.0.0.1", port)
	}
	// IPv4 first: it is what a printed address is read out as.
	slices.SortStableFunc(found, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	return net.JoinHostPort(found[0].String(), port)
}

// claim refuses a directory that is a node's already.
func (s *setup) claim() error {
	switch _, err := os.Stat(serverPath(s.dir)); {
	case err == nil:
		return fmt.Errorf("%s is the directory of a node already: start it with faxmeshd run --data %s, or name another", s.dir, s.dir)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("look at the node's directory: %w", err)
	}
	return nil
}

// write leaves the settings in the node's directory. The server's own comes
// last: it is what makes the directory a node's.
func (s *setup) write(f *settings.File) error {
	shipped := filepath.Join(s.dir, settings.ShippedFile)
	if _, err := os.Stat(shipped); errors.Is(err, fs.ErrNotExist) {
		if err := settings.WriteDurably(shipped, []byte(settings.ShippedText), 0o644); err != nil {
			return err
		}
	}
	return f.WriteFile(serverPath(s.dir), 0o600)
}

// where is what others dial: what is advertised, or what is bound.
func where(l settings.Listen) string {
	if l.Advertise != "" {
		return l.Advertise
	}
	return l.Bind
}
