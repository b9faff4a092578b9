package wire

import "github.com/faxmesh/faxmesh/clientlib/fax"

// The commands about the rules by which faxes find their way.
const (
	CmdDialRules    = "dial-rules"     // Done; answered by DialRuleList
	CmdPutDialRule  = "put-dial-rule"  // PutDialRule; answered by Done
	CmdDropDialRule = "drop-dial-rule" // DropDialRule; answered by Done
	CmdRoutes       = "routes"         // Done; answered by RouteList
	CmdPutRoute     = "put-route"      // PutRoute; answered by Done
)

// PutDialRule adds or replaces the rule of a prefix.
type PutDialRule struct {
	Rule fax.DialRule `msgpack:"r"`
}

// Check implements Message.
func (p *PutDialRule) Check() error {
	var f fields
	f.rule(p.Rule)
	return f.err
}

// DropDialRule removes the rule of a prefix.
type DropDialRule struct {
	Prefix string `msgpack:"p"`
}

// Check implements Message.
func (d *DropDialRule) Check() error {
	var f fields
	f.text("the prefix", d.Prefix, fax.MaxNumber)
	return f.err
}

// DialRuleList is a page of rules.
type DialRuleList struct {
	Rules []fax.DialRule `msgpack:"i"`
}

// Check implements Message.
func (l *DialRuleList) Check() error {
	var f fields
	for _, r := range l.Rules {
		f.rule(r)
	}
	return f.err
}

// PutRoute adds or replaces the route of a called number; without accounts it
// removes it.
type PutRoute struct {
	Route fax.Route `msgpack:"r"`
}

// Check implements Message.
func (p *PutRoute) Check() error {
	var f fields
	f.route(p.Route)
	return f.err
}

// RouteList is a page of routes.
type RouteList struct {
	Routes []fax.Route `msgpack:"i"`
}

// Check implements Message.
func (l *RouteList) Check() error {
	var f fields
	for _, r := range l.Routes {
		f.route(r)
	}
	return f.err
}

func (f *fields) rule(r fax.DialRule) {
	f.text("the prefix", r.Prefix, fax.MaxNumber)
	f.text("the node", r.Node, fax.MaxName)
}

func (f *fields) route(r fax.Route) {
	f.text("the number", r.Number, fax.MaxNumber)
	f.text("the caller", r.Caller, fax.MaxNumber)
	f.names("the accounts of a route", r.Accounts, fax.MaxAssign)
}
