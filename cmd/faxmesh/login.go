package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

// loggingIn is what login was asked to do.
type loggingIn struct {
	account, server string // server is host:port
	password        passwordSource
	fingerprint     string
	asSystemUser    bool
	savePassword    bool
}

func (a *app) loginCommand() *cobra.Command {
	var l loggingIn
	cmd := &cobra.Command{
		Use:   "login [ACCOUNT@]HOST[:PORT]",
		Short: "Log in at a node",
		Long: `Log in at a node. The session is good at every node of the cluster.

At the first contact the fingerprint of the cluster is shown and remembered;
from then on a server that shows another one is refused. Name the fingerprint
with --fingerprint to be sure of the first contact as well.

Without an ACCOUNT the setting USEWINDOWSLOGINNAME=1 takes the name with which
you are logged in to this machine. Without a HOST the setting SERVERTCPADDRESS
says which.`,
		Example: `  faxmesh login reception@fax.example
  faxmesh login admin@127.0.0.1:7488 --password-file admin.pw`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.login(cmd.Context(), l, args) },
	}
	l.password.flags(cmd)
	cmd.Flags().StringVar(&l.fingerprint, "fingerprint", "", "the cluster's fingerprint (SHA-256, hex), as faxmeshd init prints it")
	return cmd
}

func (a *app) login(ctx context.Context, l loggingIn, args []string) error {
	p, err := a.profile()
	if err != nil {
		return err
	}
	values, err := a.clientSettings(p)
	if err != nil {
		return err
	}
	where := ""
	if len(args) == 1 {
		where = args[0]
	}
	if err := l.aim(where, values.Client()); err != nil {
		return err
	}
	known, err := p.fingerprint(l.server)
	if err != nil {
		return err
	}
	if known != "" && l.fingerprint == "" {
		l.fingerprint = known
	}
	return a.openSession(ctx, p, l)
}

// aim finds out which account at which server is meant.
func (l *loggingIn) aim(where string, c settings.Client) error {
	account, host, named := cutLast(where, "@")
	if !named {
		account, host = "", where
	}
	configured, port, err := net.SplitHostPort(c.Server)
	if err != nil {
		return fmt.Errorf("the setting SERVERTCPADDRESS: %w", err)
	}
	if host == "" {
		host = configured
	}
	if host == "" {
		return terminal.Usagef("name the server: faxmesh login ACCOUNT@HOST")
	}
	if account == "" && c.UseSystemLogin {
		if account, err = systemLogin(); err != nil {
			return err
		}
		l.asSystemUser = true
	}
	if account == "" {
		return terminal.Usagef("name the account: faxmesh login ACCOUNT@%s", host)
	}
	if err := fax.CheckName("account", account); err != nil {
		return &terminal.Error{Status: terminal.Usage, Err: err}
	}
	l.account, l.server, l.savePassword = account, withPort(host, port), c.SavePassword
	if _, _, err := net.SplitHostPort(l.server); err != nil {
		return terminal.Usagef("%q is not HOST or HOST:PORT", host)
	}
	return nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// systemLogin is the name with which the person is logged in to this machine;
// Windows puts the domain before it.
func systemLogin() (string, error) {
	u, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("the system does not say who is logged in: %w; name the account", err)
	}
	if _, name, domain := cutLast(u.Username, `\`); domain {
		return name, nil
	}
	return u.Username, nil
}

func (a *app) openSession(ctx context.Context, p profile, l loggingIn) error {
	dialing, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	pinned := l.fingerprint
	c, err := clientlib.Dial(dialing, []string{l.server}, clientlib.Options{
		Program: program, Fingerprint: l.fingerprint,
		OnFirstUse: func(fingerprint string) error {
			pinned = fingerprint
			fmt.Fprintf(a.Err, "%s is new; its cluster has the fingerprint\n  %s\nwhich is remembered from now on.\n", l.server, fingerprint)
			return nil
		},
	})
	if err != nil {
		return a.explain(p, err)
	}
	defer c.Close()
	password, fresh, err := a.passwordFor(p, l)
	if err != nil {
		return err
	}
	session, err := c.Login(ctx, l.account, password)
	if err != nil {
		if fax.KindOf(err) == fax.BadLogin && !fresh {
			err = errors.Join(err, p.dropPassword()) // the remembered one is no good any more
		}
		return err
	}
	login := login{Account: session.Account, Server: l.server, Fingerprint: pinned, Seen: session.Last}.renewed(session)
	if err := p.pin(pinned, append([]string{l.server}, login.Nodes...)...); err != nil {
		return err
	}
	if err := p.saveSession(login); err != nil {
		return err
	}
	if l.savePassword && fresh {
		if err := p.savePassword(l.account, l.server, password); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.Out, "logged in as %s at %s; you may: %s\n", clean(session.Account), clean(session.Home), session.Rights)
	return nil
}

// explain adds to an error about another cluster what a person may do.
func (a *app) explain(p profile, err error) error {
	var untrusted *clientlib.UntrustedError
	if !errors.As(err, &untrusted) {
		return err
	}
	return fmt.Errorf("%w; if the cluster was really made anew, take the server out of %s", err, p.path(knownFile))
}

// passwordFor finds the password: the flags, the remembered one, the person.
// fresh says that it was not remembered.
func (a *app) passwordFor(p profile, l loggingIn) (password string, fresh bool, err error) {
	if l.savePassword && !l.password.given() {
		saved, err := p.password(l.account, l.server)
		if err != nil || saved != "" {
			return saved, false, err
		}
	}
	password, err = l.password.read(a.Terminal, fmt.Sprintf("Password for %s at %s: ", l.account, l.server))
	return password, true, err
}

// renewed is the login with what a session brings.
func (l login) renewed(s fax.Session) login {
	if s.Token != "" {
		l.Token, l.Expires = s.Token, s.Expires
	}
	l.Cluster = s.Cluster
	l.Nodes = nil
	for _, n := range s.Nodes {
		if n.ClientAddr != "" {
			l.Nodes = append(l.Nodes, n.ClientAddr)
		}
	}
	return l
}

// addresses lists where the session may be opened: first where it was.
func (l login) addresses() []string {
	all := []string{l.Server}
	for _, n := range l.Nodes {
		if n != l.Server {
			all = append(all, n)
		}
	}
	return all
}

func (a *app) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "End the session",
		Long:  "End the session. If no node can be reached it is forgotten here, and runs out there.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.profile()
			if err != nil {
				return err
			}
			if !p.loggedIn() {
				a.say("not logged in")
				return nil
			}
			told := a.with(cmd.Context(), func(c *clientlib.Client) error { return c.Logout(cmd.Context()) })
			if err := p.dropSession(); err != nil {
				return err
			}
			if told != nil && fax.KindOf(told) != fax.BadLogin {
				fmt.Fprintf(a.Err, "%s: no node was told: %v\n", program, told)
			}
			a.say("logged out")
			return nil
		},
	}
}

func (a *app) passwdCommand() *cobra.Command {
	var old, fresh passwordSource
	cmd := &cobra.Command{
		Use:   "passwd",
		Short: "Change your own password",
		Long:  "Change your own password. All your sessions end, this one as well.",
		Example: `  faxmesh passwd
  faxmesh passwd --old-password-file old --password-stdin < new`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.profile()
			if err != nil {
				return err
			}
			before, err := old.read(a.Terminal, "Old password: ")
			if err != nil {
				return err
			}
			after, err := fresh.readNew(a.Terminal, "New password: ")
			if err != nil {
				return err
			}
			err = a.with(cmd.Context(), func(c *clientlib.Client) error {
				return c.SetPassword(cmd.Context(), c.Session().Account, before, after)
			})
			if err != nil {
				return err
			}
			if err := errors.Join(p.dropPassword(), p.dropSession()); err != nil {
				return err
			}
			a.say("the password is changed; log in with it")
			return nil
		},
	}
	fresh.flags(cmd)
	cmd.Flags().StringVar(&old.file, "old-password-file", "", "read the old password from the first line of this file")
	return cmd
}
