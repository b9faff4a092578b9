package ledger

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Limits on members, tokens and rules.
const (
	maxAddr      = 260    // octets of host:port
	MaxTokens    = 1000   // join tokens that have not expired
	MaxTokenUses = 1000   // nodes that may join with one token
	MaxRules     = 10_000 // dial rules; routes likewise
)

// tokenRecord is a join token as stored under the SHA-256 of its secret.
type tokenRecord struct {
	Hash    string     `msgpack:"h"`
	Expires fax.Millis `msgpack:"e"`
	Uses    int        `msgpack:"u"`
	Spent   []string   `msgpack:"s"` // nodes that have joined with it
}

func (c PutNode) apply(d *draft) (*fax.Job, error) {
	n := c.Node
	if err := fax.CheckName("node", n.Name); err != nil {
		return nil, err
	}
	if err := checkDigest("fingerprint", n.Fingerprint); err != nil {
		return nil, err
	}
	if n.Next != "" {
		if err := checkDigest("next fingerprint", n.Next); err != nil {
			return nil, err
		}
	}
	if n.Knows < 0 || n.Knows > math.MaxUint16 {
		return nil, fax.Errorf(fax.Invalid, "node %q cannot know changes up to number %d", n.Name, n.Knows)
	}
	for _, addr := range []string{n.PeerAddr, n.ClientAddr} {
		if len(addr) > maxAddr || !utf8.ValidString(addr) {
			return nil, fax.Errorf(fax.Invalid, "the address %.80q of node %q is not host:port of at most %d octets", addr, n.Name, maxAddr)
		}
	}
	if n.Site != "" {
		if err := fax.CheckName("site", n.Site); err != nil {
			return nil, err
		}
	}
	old := load[fax.Node](d, inNodes, n.Name)
	if err := d.mayBe(old, n.Name, n.Fingerprint, n.Next); err != nil {
		return nil, err
	}
	what := "add-node"
	if old != nil {
		what = "move-node"
		n.Joined, n.Was = old.Joined, old.Was
		if n.Fingerprint != old.Fingerprint {
			what, n.Was, n.Next = "renew-node", old.Fingerprint, ""
		}
		if n == *old {
			return nil, nil
		}
	} else {
		n.Was = ""
	}
	d.store(inNodes, n.Name, n)
	d.record(fax.Activity{At: c.Node.Joined, Who: n.Name, Node: n.Name, What: what, Object: n.Name,
		Detail: fmt.Sprintf("peers %s, clients %s", n.PeerAddr, n.ClientAddr)})
	return nil, nil
}

// mayBe refuses a node whose name belongs to one with another key, but for the
// next one of that node, or whose key was that of a removed node.
func (d *draft) mayBe(old *fax.Node, name, fingerprint, next string) error {
	if old != nil && fingerprint != old.Fingerprint && fingerprint != old.Next {
		return fax.Errorf(fax.Conflict, "the name %q belongs to another node; choose another name, or remove that node first", name)
	}
	if d.has(inRemoved, fingerprint) || next != "" && d.has(inRemoved, next) {
		return fax.Errorf(fax.NotAllowed, "node %q was removed from the cluster and its certificate is revoked; join again in a new directory", name)
	}
	return nil
}

func (c PutToken) apply(d *draft) (*fax.Job, error) {
	if err := checkDigest("token", c.Hash); err != nil {
		return nil, err
	}
	if c.Uses < 1 || c.Uses > MaxTokenUses {
		return nil, fax.Errorf(fax.Invalid, "a join token is for 1 to %d nodes, not %d", MaxTokenUses, c.Uses)
	}
	if c.Expires <= c.At {
		return nil, fax.Errorf(fax.Invalid, "the join token would expire before it is made; check the clock")
	}
	kept := 0
	for _, t := range all[tokenRecord](d, inTokens) {
		switch {
		case t.Hash == c.Hash && t.Expires == c.Expires && t.Uses == c.Uses:
			return nil, nil // the same command repeated
		case t.Hash == c.Hash:
			return nil, fax.Errorf(fax.Exists, "there is such a join token already; make another")
		case t.Expires <= c.At:
			d.delete(inTokens, t.Hash)
		default:
			kept++
		}
	}
	if kept >= MaxTokens {
		return nil, fax.Errorf(fax.Busy, "%d join tokens are waiting to be used; let some expire", kept)
	}
	d.store(inTokens, c.Hash, tokenRecord{Hash: c.Hash, Expires: c.Expires, Uses: c.Uses})
	d.record(fax.Activity{At: c.At, Who: who(c.By, c.Node), Node: c.Node, What: "add-token", Object: c.Hash[:8],
		Detail: fmt.Sprintf("for %d nodes until %s", c.Uses, c.Expires.Time().Format("2006-01-02 15:04 MST"))})
	return nil, nil
}

func (c SpendToken) apply(d *draft) (*fax.Job, error) {
	if err := fax.CheckName("node", c.Node); err != nil {
		return nil, err
	}
	if err := checkDigest("fingerprint", c.Fingerprint); err != nil {
		return nil, err
	}
	t := load[tokenRecord](d, inTokens, c.Hash)
	switch {
	case t == nil:
		return nil, fax.Errorf(fax.NotFound, "the join token is unknown; make one with faxmesh admin")
	case t.Expires <= c.At:
		return nil, fax.Errorf(fax.NotAllowed, "the join token has expired; make another")
	case len(t.Spent) >= t.Uses && !slices.Contains(t.Spent, c.Node):
		return nil, fax.Errorf(fax.NotAllowed, "the join token is used up; make another")
	}
	// Who has no token does not learn which names are taken; who has one does
	// not spend it on such a name.
	if err := d.mayBe(load[fax.Node](d, inNodes, c.Node), c.Node, c.Fingerprint, ""); err != nil {
		return nil, err
	}
	if slices.Contains(t.Spent, c.Node) {
		return nil, nil
	}
	t.Spent = append(t.Spent, c.Node)
	d.store(inTokens, c.Hash, *t)
	d.record(fax.Activity{At: c.At, Who: c.Node, Node: c.Node, What: "spend-token", Object: c.Hash[:8]})
	return nil, nil
}

func (c PutDialRule) apply(d *draft) (*fax.Job, error) {
	rule := c.Rule
	if rule.Prefix != "" {
		if err := fax.CheckNumber(rule.Prefix); err != nil {
			return nil, err
		}
	}
	if load[fax.Node](d, inNodes, rule.Node) == nil {
		return nil, fax.Errorf(fax.NotFound, "there is no node %q for the dial rule", rule.Node)
	}
	rule.Prefix = fax.Digits(rule.Prefix)
	old := load[fax.DialRule](d, inRules, ruleKey(rule.Prefix))
	switch {
	case old != nil && *old == rule:
		return nil, nil
	case old == nil && len(all[fax.DialRule](d, inRules)) >= MaxRules:
		return nil, fax.Errorf(fax.Busy, "there are %d dial rules already; remove some", MaxRules)
	}
	d.store(inRules, ruleKey(rule.Prefix), rule)
	d.record(fax.Activity{At: c.At, Who: who(c.By, c.Node), Node: c.Node, What: "set-dial-rule", Object: rule.Prefix, Detail: rule.Node})
	return nil, nil
}

func (c DropDialRule) apply(d *draft) (*fax.Job, error) {
	prefix := fax.Digits(c.Prefix)
	if load[fax.DialRule](d, inRules, ruleKey(prefix)) == nil {
		return nil, fax.Errorf(fax.NotFound, "there is no dial rule for %.80q", c.Prefix)
	}
	d.delete(inRules, ruleKey(prefix))
	d.record(fax.Activity{At: c.At, Who: who(c.By, c.Node), Node: c.Node, What: "drop-dial-rule", Object: prefix})
	return nil, nil
}

func (c PutRoute) apply(d *draft) (*fax.Job, error) {
	route := c.Route
	for _, number := range []string{route.Number, route.Caller} {
		if number == "" {
			continue
		}
		if err := fax.CheckNumber(number); err != nil {
			return nil, err
		}
	}
	if len(route.Accounts) > fax.MaxAssign {
		return nil, fax.Errorf(fax.TooLarge, "a route names %d accounts; at most %d are allowed", len(route.Accounts), fax.MaxAssign)
	}
	route.Number, route.Caller = fax.Digits(route.Number), fax.Digits(route.Caller)
	found, missing := d.existing(route.Accounts)
	if missing != "" {
		return nil, fax.Errorf(fax.NotFound, "there is no account %q for the route", missing)
	}
	accounts := namesOf(found)
	route.Accounts = accounts
	old := load[fax.Route](d, inRoutes, routeKey(route))
	what := "set-route"
	switch {
	case old == nil && len(accounts) == 0:
		return nil, nil
	case len(accounts) == 0:
		what = "drop-route"
		d.delete(inRoutes, routeKey(route))
	case old == nil && len(all[fax.Route](d, inRoutes)) >= MaxRules:
		return nil, fax.Errorf(fax.Busy, "there are %d routes already; remove some", MaxRules)
	case old != nil && slices.Equal(old.Accounts, accounts):
		return nil, nil
	default:
		d.store(inRoutes, routeKey(route), route)
	}
	d.record(fax.Activity{At: c.At, Who: who(c.By, c.Node), Node: c.Node, What: what, Object: route.Number, Detail: ofCaller(route) + list(accounts)})
	return nil, nil
}

// routeKey is the key of a number, then of the caller, if it is one's.
func routeKey(r fax.Route) string {
	if r.Caller == "" {
		return ruleKey(r.Number)
	}
	return ruleKey(r.Number) + "<" + r.Caller
}

func ofCaller(r fax.Route) string {
	if r.Caller == "" {
		return ""
	}
	return "from " + r.Caller + " for "
}

// ruleKey makes a key of a number, which may be empty as keys may not.
func ruleKey(number string) string { return "=" + number }

// checkDigest wants a SHA-256 in lower-case hex.
func checkDigest(what, s string) error {
	if raw, err := hex.DecodeString(s); err != nil || len(raw) != 32 || hex.EncodeToString(raw) != s {
		return fax.Errorf(fax.Invalid, "the %s %.80q is not a SHA-256 in lower-case hex", what, s)
	}
	return nil
}
