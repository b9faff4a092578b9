package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// MethodReport is answered to a Control with a Report.
const MethodReport = "report"

// Role is a node's part in the agreement.
type Role string

// The roles.
const (
	RoleLeader   Role = "leader"
	RoleVoter    Role = "voter"
	RoleStandby  Role = "stand-by" // has the log, gets a vote when one is free
	RoleFollower Role = "follower" // gets the ledger by the feed
)

// Report is what a node knows of its cluster, for people and scripts. Its JSON
// names are kept.
type Report struct {
	Node        string          `json:"node"`
	Cluster     string          `json:"cluster"`
	At          fax.Millis      `json:"at"`
	Leader      string          `json:"leader"` // "" if this node knows none
	Island      bool            `json:"island"` // it is cut off from the majority
	Warnings    []string        `json:"warnings"`
	Members     []MemberReport  `json:"members"`
	Lines       []fax.LineState `json:"lines"`
	Jobs        ledger.Tally    `json:"jobs"`
	DiskFree    uint64          `json:"disk_free"` // octets, of the disk with the data directory
	DiskSize    uint64          `json:"disk_size"` // 0: not known on this system
	Certificate fax.Millis      `json:"certificate_until"`
}

// MemberReport is a member as the reporting node sees it.
type MemberReport struct {
	Name        string     `json:"name"`
	Site        string     `json:"site,omitempty"`
	Role        Role       `json:"role"`
	State       string     `json:"state"` // "up", "away" or "leaving"
	Since       fax.Millis `json:"since"` // it is up or away, as far as the reporting node has seen
	PeerAddr    string     `json:"peer_addr"`
	ClientAddr  string     `json:"client_addr"`
	Answered    bool       `json:"answered"`    // it has said what follows
	RoundTrip   float64    `json:"roundtrip"`   // milliseconds
	Index       uint64     `json:"index"`       // last entry of its ledger
	Lag         uint64     `json:"lag"`         // entries behind the foremost that answered
	Ledger      agreement  `json:"ledger"`      // compared with the reporting node's: "same", "differs", "" if not comparable now
	Chain       string     `json:"chain"`       // hex SHA-256 over all its entries
	Lines       int        `json:"lines"`       // that it owns
	Calls       int        `json:"calls"`       // that it makes or takes now
	NoVote      bool       `json:"no_vote"`     // its settings say so
	Fingerprint string     `json:"fingerprint"` // of its certificate
}

// Report asks all members that are alive how they are. It needs no majority.
func (c *Cluster) Report(ctx context.Context) (Report, error) {
	r := Report{Node: c.id.Name, Cluster: c.id.Cluster, At: fax.At(time.Now()), Leader: c.Leader(),
		Certificate: fax.At(c.id.Certificate().Leaf.NotAfter), Lines: c.table.Lines(), Warnings: []string{}}
	r.Island = r.Leader == ""
	if free, size, err := c.raft.Space(); err == nil {
		r.DiskFree, r.DiskSize = free, size
	}
	var err error
	if r.Jobs, err = c.ledger.Tally(); err != nil {
		return r, err
	}
	told := c.positions(ctx, c.others(), positionWait)
	told[c.id.Name] = c.Position()
	foremost := uint64(0)
	for _, p := range told {
		foremost = max(foremost, p.Index)
	}
	for _, m := range c.Members() {
		r.Members = append(r.Members, c.reportOn(m, told, foremost, r.Lines))
	}
	r.Warnings = append(r.Warnings, r.warnings()...)
	r.Warnings = append(r.Warnings, c.renewalWarnings(r.At.Time())...)
	return r, nil
}

func (c *Cluster) reportOn(m MemberStatus, told map[string]Position, foremost uint64, lines []fax.LineState) MemberReport {
	r := MemberReport{Name: m.Name, Site: m.Site, Role: m.Role(), State: "away", Since: c.seen.since(m.Name), NoVote: m.NoVote,
		PeerAddr: m.PeerAddr, ClientAddr: m.ClientAddr, Fingerprint: m.Fingerprint}
	switch {
	case m.Leaving:
		r.State = "leaving"
	case m.Alive:
		r.State = "up"
	}
	for _, l := range lines {
		if l.Node == m.Name {
			r.Lines++
			if l.State != "free" && l.State != "down" {
				r.Calls++
			}
		}
	}
	p, ok := told[m.Name]
	if !ok {
		return r
	}
	r.Answered, r.Index, r.Chain, r.Lag = true, p.Index, p.Chain, foremost-p.Index
	r.RoundTrip = float64(p.took.Microseconds()) / 1000
	if r.Ledger = agreeSame; m.Name != c.id.Name {
		r.Ledger = c.agreementWith(p)
	}
	return r
}

// certificateSoon is how long before its end a certificate is warned of.
const certificateSoon = 30 * 24 * time.Hour

// warnings are what somebody should do something about, in sentences.
func (r Report) warnings() (warnings []string) {
	say := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	if r.Island {
		say("node %s is cut off from the majority of the voters: it goes on alone, and refuses what needs them", r.Node)
	}
	var away, differ []string
	voters, up := 0, 0
	for _, m := range r.Members {
		if m.State == "away" {
			away = append(away, m.Name)
		}
		if m.Ledger == agreeDiffers {
			differ = append(differ, m.Name)
		}
		if m.Role == RoleVoter || m.Role == RoleLeader {
			voters++
			if m.State != "away" {
				up++
			}
		}
	}
	for _, name := range away {
		say("node %s is away; if it does not come back, take it out with faxmeshd remove %s", name, name)
	}
	for _, name := range differ {
		say("the ledger of %s is not the same as that of %s: one of the two machines is failing", name, r.Node)
	}
	switch {
	case len(r.Members) > 1 && voters == 1:
		say("one node alone has a vote: if it fails the others cannot go on as a cluster; three nodes can lose any one")
	case !r.Island && voters > 1 && up <= voters/2+1 && up < voters:
		say("%d of %d voters are up: one more lost stops the cluster", up, voters)
	}
	return warnings
}

func (c *Cluster) handleReport(ctx context.Context, _ []byte) ([]byte, error) {
	r, err := c.Report(ctx)
	if err != nil {
		return nil, err
	}
	return json.Marshal(r)
}

// Role is the member's part in the agreement.
func (m MemberStatus) Role() Role {
	switch {
	case m.Leader:
		return RoleLeader
	case m.Voter:
		return RoleVoter
	case m.Standby:
		return RoleStandby
	}
	return RoleFollower
}

// contacts is since when each node is alive or away. It is safe for concurrent
// use.
type contacts struct {
	opened time.Time

	mu sync.Mutex
	at map[string]time.Time
}

func (c *contacts) changed(node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == nil {
		c.at = map[string]time.Time{}
	}
	c.at[node] = time.Now()
}

// since is the time of the last change, or of this node's start.
func (c *contacts) since(node string) fax.Millis {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.at[node]; ok {
		return fax.At(at)
	}
	return fax.At(c.opened)
}
