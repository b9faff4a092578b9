package wire

import "github.com/faxmesh/faxmesh/clientlib/fax"

// CmdLogin opens a session; the only command before there is one.
const CmdLogin = "login"

// Login asks for a session. The address of the client is not in it: the node
// sees it.
type Login struct {
	Account  string        `msgpack:"a,omitempty"`
	Password string        `msgpack:"p,omitempty"`
	Token    string        `msgpack:"t,omitempty"`
	Client   string        `msgpack:"c,omitempty"`
	Callback *fax.Callback `msgpack:"cb,omitempty"`
}

// Check implements Message.
func (l *Login) Check() error {
	var f fields
	f.text("the password", l.Password, MaxPassword)
	f.text("the token", l.Token, MaxToken)
	f.text("the client's name", l.Client, MaxAgent)
	if l.Token == "" {
		if err := fax.CheckName("account", l.Account); err != nil {
			return err
		}
	}
	f.text("the account", l.Account, fax.MaxName)
	if cb := l.Callback; cb != nil {
		if cb.Port < MinCallbackPort {
			f.fail("the notification port %d is under %d, which nodes do not dial: choose another in the settings", cb.Port, MinCallbackPort)
		}
		if cb.Fingerprint == "" {
			f.fail("the notification port has no fingerprint")
		}
		f.hash("the fingerprint of the notification port", cb.Fingerprint)
	}
	return f.err
}

// MinCallbackPort is the lowest notification port: the ports below belong to
// the system's own services, which a node must not be made to dial (RFC 2577
// clause 3).
const MinCallbackPort = 1024

// Session answers a login.
type Session struct {
	Session fax.Session `msgpack:"s"`
}

// Check implements Message.
func (s *Session) Check() error {
	var f fields
	x := &s.Session
	f.id("the session's id", x.ID)
	f.text("the session's account", x.Account, fax.MaxName)
	f.text("the session's home", x.Home, fax.MaxName)
	f.text("the session's token", x.Token, MaxToken)
	f.text("the session's secret", x.Secret, MaxToken)
	f.text("the cluster's id", x.Cluster, MaxToken)
	f.count("the nodes of a session", len(x.Nodes), MaxServers)
	for i := range x.Nodes {
		f.node(&x.Nodes[i])
	}
	return f.err
}

// CmdLogout ends the session on purpose; without it a session can be taken up
// again with its token. Request and answer are Done.
const CmdLogout = "logout"
