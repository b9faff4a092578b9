package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

// Exit statuses beyond those of package terminal.
const (
	statusNotSent = 4 // send --wait: the fax was not sent
	statusTimeout = 5 // watch --timeout: fewer events than asked for
)

// program is how this client names itself on the activity record.
const program = "faxmesh"

// reachTime is how long a command tries to reach a node.
const reachTime = 20 * time.Second

// app is what all commands share.
type app struct {
	terminal.Terminal
	profileFlag string
}

func newRoot(t terminal.Terminal) *cobra.Command {
	a := &app{Terminal: t}
	root := terminal.Group(&cobra.Command{
		Use:   program,
		Short: "Send faxes, read faxes, run the fax system",
		Long: `Send faxes, read faxes, run the fax system.

Log in once at any node; what you type afterwards goes to that node, or to
another one of the cluster if it is down.

Exit status: 0 done; 1 it was tried and did not work; 2 wrong usage; 3 not
logged in; 4 the fax was not sent (send --wait); 5 time is up (watch).

Environment: FAXMESH_HOME is the directory of the profile (as --profile),
NCFX_SECTION_KEY overrides a setting. Nothing is coloured; progress is drawn
only where a person looks.`,
		Example: `  faxmesh login reception@fax.example
  faxmesh send "+45 33 12 34 56" referral.tif --wait
  faxmesh inbox
  faxmesh view 01hq2v -o page-%d.png`,
	},
		a.loginCommand(), a.logoutCommand(), a.passwdCommand(),
		a.sendCommand(), a.statusCommand(), a.cancelCommand(), a.holdCommand(), a.resumeCommand(),
		a.inboxCommand(), a.viewCommand(), a.assignCommand(), a.watchCommand(),
		a.settingsCommand(), a.adminCommand())
	root.PersistentFlags().StringVar(&a.profileFlag, "profile", "", "directory of the profile (default: FAXMESH_HOME, or the system's place for it)")
	return root
}

func (a *app) profile() (profile, error) { return openProfile(a.profileFlag) }

// connect opens the remembered session at one of the cluster's nodes. What the
// caller adds to options is kept.
func (a *app) connect(ctx context.Context, options clientlib.Options) (*clientlib.Client, error) {
	p, err := a.profile()
	if err != nil {
		return nil, err
	}
	l, err := p.session(time.Now())
	if err != nil {
		return nil, err
	}
	options.Fingerprint = l.Fingerprint
	options.Program = program
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	c, err := clientlib.Dial(ctx, l.addresses(), options)
	if err != nil {
		return nil, a.explain(p, err)
	}
	session, err := c.Resume(ctx, l.Token)
	if err != nil {
		c.Close()
		return nil, err
	}
	if err := p.renew(session); err != nil {
		fmt.Fprintf(a.Err, "%s: %v\n", program, err) // the command itself can go on
	}
	return c, nil
}

// with runs what with a client that is logged in.
func (a *app) with(ctx context.Context, what func(*clientlib.Client) error) error {
	c, err := a.connect(ctx, clientlib.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	return what(c)
}

// environ is the environment that settings are read from.
func environ() []string { return os.Environ() }
