package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/class1"
	"github.com/faxmesh/faxmesh/modem/exchange"
	"github.com/faxmesh/faxmesh/node"
	"github.com/faxmesh/faxmesh/node/desk"
)

// admin is the demo's administrator.
const admin = "admin"

// passwordOf is what the people of the demo log in with. It is shown to whoever
// runs the demo, and the nodes listen on loopback alone.
func passwordOf(account string) string { return account + " of the demo" }

// site is one of the demo's nodes.
type site struct {
	name       string
	dir        string
	lines      []string // their numbers
	clientPort int      // preferred; another is taken if it is not free
	peerPort   int
	clientAddr string // as chosen
	peerAddr   string
	node       *node.Node // nil while it is stopped
}

// call is one that was answered.
type call struct{ from, to string }

// stage is everything that the story needs: an exchange, three sites, clerks.
type stage struct {
	opt    Options
	line   *timeline
	sites  []*site
	clerks []*clerk
	phones *exchange.Exchange

	mu       sync.Mutex
	answered []call
	pinned   string // fingerprint of the cluster's authority
}

func newStage(dir string, opt Options, line *timeline) *stage {
	s := &stage{opt: opt, line: line}
	for i, name := range []string{"north", "south", "west"} {
		area := fmt.Sprintf("0%d0", 2+i)
		s.sites = append(s.sites, &site{
			name: name, dir: filepath.Join(dir, name),
			lines:      []string{area + "1", area + "2"},
			clientPort: 7488 + 100*i, peerPort: 7487 + 100*i,
		})
	}
	return s
}

// set builds the cluster, as `faxmeshd init` and `faxmeshd join` do, and starts
// the nodes.
func (s *stage) set(ctx context.Context) error {
	s.phones = exchange.New(exchange.Config{Speed: s.opt.Speed, Observe: s.watch, Log: s.opt.Log})
	s.line.say("demo", "exchange", fmt.Sprintf("a simulated telephone exchange runs at %g times line time", s.opt.Speed), fields{"speed": s.opt.Speed})
	for _, site := range s.sites {
		if err := site.choosePorts(); err != nil {
			return err
		}
	}
	for i, site := range s.sites {
		if err := s.found(ctx, i, site); err != nil {
			return err
		}
		if err := s.start(ctx, site.name); err != nil {
			return err
		}
		s.line.say(site.name, "up", fmt.Sprintf("up: clients on %s, nodes on %s (TCP and UDP), simulated lines %s", site.clientAddr, site.peerAddr, strings.Join(site.lines, " and ")),
			fields{"client_port": port(site.clientAddr), "cluster_port": port(site.peerAddr), "lines": site.lines})
	}
	return nil
}

// found makes the cluster with the first site and lets the others join it.
func (s *stage) found(ctx context.Context, i int, site *site) error {
	if _, err := os.Stat(filepath.Join(site.dir, "cluster")); err == nil {
		return nil // a directory of an earlier demo
	}
	options := s.options(site)
	if i == 0 {
		hash, err := desk.HashPassword(passwordOf(admin))
		if err != nil {
			return err
		}
		options.Admin, options.AdminHash = admin, hash
		return cluster.Init(site.dir, options)
	}
	token, err := s.token(ctx)
	if err != nil {
		return err
	}
	return cluster.Join(ctx, site.dir, token, s.sites[0].peerAddr, options)
}

// token asks the first node for one, as an administrator does.
func (s *stage) token(ctx context.Context) (string, error) {
	boss, err := logIn(ctx, s, admin, passwordOf(admin), s.sites[0].name)
	if err != nil {
		return "", err
	}
	token, err := boss.client.NewToken(ctx, 1, 1)
	return token, errors.Join(err, boss.client.Logout(ctx), boss.leave())
}

func (s *stage) options(site *site) cluster.Options {
	return cluster.Options{Dir: site.dir, Name: site.name, PeerListen: site.peerAddr, ClientAddr: site.clientAddr, Logger: s.opt.Log}
}

// start opens a site's node with its lines, and waits until it has caught up
// with those that run.
func (s *stage) start(ctx context.Context, name string) error {
	site := s.site(name)
	config := node.Config{Cluster: s.options(site), ClientListen: site.clientAddr, Station: site.lines[0]}
	for i, number := range site.lines {
		m, err := s.plug(ctx, number)
		if err != nil {
			return err
		}
		config.Lines = append(config.Lines, node.Line{Name: fmt.Sprintf("LINE%d", i+1), Number: number, Kind: "simulated", Modem: m})
	}
	n, err := node.Open(ctx, config)
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	site.node = n
	return s.caughtUp(ctx, n)
}

// plug gives a number on the exchange a Class 1 modem, driven as a real one.
func (s *stage) plug(ctx context.Context, number string) (modem.Modem, error) {
	port, err := s.phones.Plug(number)
	if err != nil {
		return nil, err
	}
	phone, err := class1.Open(ctx, port, class1.Config{Speed: s.phones.Speed(), Log: s.opt.Log})
	if err != nil {
		return nil, err
	}
	return modem.New(phone, modem.Options{Log: s.opt.Log}), nil
}

// caughtUp waits until the node's ledger is where the other nodes' ledgers are
// now.
func (s *stage) caughtUp(ctx context.Context, n *node.Node) error {
	var want uint64
	for _, site := range s.sites {
		if site.node != nil && site.node != n {
			applied, _ := site.node.Cluster().Ledger().Applied()
			want = max(want, applied)
		}
	}
	bell, stop := n.Cluster().Ledger().Watch()
	defer stop()
	for {
		if have, _ := n.Cluster().Ledger().Applied(); have >= want {
			return nil
		}
		select {
		case <-bell:
		case <-ctx.Done():
			return fmt.Errorf("%s does not catch up with the others: %w", n.Name(), ctx.Err())
		}
	}
}

// checkLedgers: every node's ledger is the same, command by command.
func (s *stage) checkLedgers() {
	index, chain := s.sites[0].node.Cluster().Ledger().Applied()
	for _, site := range s.sites[1:] {
		if i, c := site.node.Cluster().Ledger().Applied(); i == index {
			s.line.check(c == chain, "the ledgers of %s and %s differ at command %d", s.sites[0].name, site.name, index)
		}
	}
}

// prepare does the administrator's work: two accounts, a dial rule, a route.
func (s *stage) prepare(ctx context.Context) (err error) {
	boss, err := logIn(ctx, s, admin, passwordOf(admin), "north")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, boss.client.Logout(ctx), boss.leave()) }()
	for _, name := range []string{"reception", "records"} {
		err := boss.client.AddAccount(ctx, name, passwordOf(name), fax.Individual)
		if err != nil && fax.KindOf(err) != fax.Exists {
			return err
		}
	}
	if err := boss.client.PutDialRule(ctx, fax.DialRule{Prefix: "04", Node: "south"}); err != nil {
		return err
	}
	if err := boss.client.PutRoute(ctx, fax.Route{Number: faxNumber, Accounts: []string{"records"}}); err != nil {
		return err
	}
	s.line.say("north", "rules", "the administrator made the accounts reception and records; numbers with 04 go out at south; faxes to 0401 are for records", nil)
	return nil
}

// watch is told of calls by the exchange.
func (s *stage) watch(e exchange.Event) {
	switch e.Stage {
	case exchange.Ringing:
		s.line.say(s.owner(e.Line), "ringing", fmt.Sprintf("line %s rings: %s's line %s is calling", e.Line, s.owner(e.From), e.From),
			fields{"line": e.Line, "from": e.From})
	case exchange.Answered:
		s.mu.Lock()
		s.answered = append(s.answered, call{e.From, e.Line})
		s.mu.Unlock()
		s.line.say(s.owner(e.Line), "answered", fmt.Sprintf("line %s answers", e.Line), fields{"line": e.Line, "from": e.From})
	}
}

// calls are those that were answered so far.
func (s *stage) calls() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.answered)
}

// owner is the node whose line has the number.
func (s *stage) owner(number string) string {
	for _, site := range s.sites {
		if slices.Contains(site.lines, number) {
			return site.name
		}
	}
	return "nobody"
}

// trust pins the cluster's authority at the first contact, as people's clients
// do, and refuses another one.
func (s *stage) trust(fingerprint string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pinned != "" && s.pinned != fingerprint {
		return fmt.Errorf("the cluster shows another authority than before: %s", fingerprint)
	}
	s.pinned = fingerprint
	return nil
}

func (s *stage) site(name string) *site {
	return s.sites[slices.IndexFunc(s.sites, func(x *site) bool { return x.name == name })]
}

func (s *stage) clientAddr(name string) string { return s.site(name).clientAddr }

// stop stops a node cleanly.
func (s *stage) stop(name string) error {
	site := s.site(name)
	n := site.node
	if n == nil {
		return nil
	}
	site.node = nil
	return n.Close()
}

// close ends everything, in the opposite order.
func (s *stage) close() error {
	var err error
	for _, c := range slices.Backward(s.clerks) {
		err = errors.Join(err, c.leave())
	}
	for _, site := range slices.Backward(s.sites) {
		err = errors.Join(err, s.stop(site.name))
	}
	if s.phones != nil {
		err = errors.Join(err, s.phones.Close())
	}
	return err
}

// invite says what to type to take part.
func (s *stage) invite(out io.Writer, asJSON bool) {
	if asJSON {
		return
	}
	home := filepath.Join(os.TempDir(), "faxmesh-"+strings.ToLower(rand.Text()[:6]))
	fmt.Fprintf(out, `
The three nodes stay up. In another terminal:

  export FAXMESH_HOME=%s
  echo %q | go run ./cmd/faxmesh login reception@%s --password-stdin
  go run ./cmd/faxmesh send %s README.md --wait
  go run ./cmd/faxmesh status

Further accounts: records (%q), admin (%q).
Ctrl-C here ends the nodes.
`, home, passwordOf("reception"), s.clientAddr("south"), faxNumber, passwordOf("records"), passwordOf(admin))
}

// choosePorts takes the preferred ports if they are free, others if not.
func (x *site) choosePorts() (err error) {
	if x.clientAddr, err = freeAddr(x.clientPort); err != nil {
		return err
	}
	x.peerAddr, err = freeAddr(x.peerPort)
	return err
}

// freeAddr is a loopback address whose port is free for TCP and UDP.
func freeAddr(preferred int) (string, error) {
	for try := range 20 {
		if try > 0 {
			preferred = 0
		}
		tcp, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", preferred))
		if err != nil {
			continue
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		tcp.Close()
		if err == nil {
			udp.Close()
			return tcp.Addr().String(), nil
		}
	}
	return "", errors.New("no port of 127.0.0.1 is free")
}
