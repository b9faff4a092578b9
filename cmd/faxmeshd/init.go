package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/cluster"
	"github.com/faxmesh/faxmesh/cmd/terminal"
	"github.com/faxmesh/faxmesh/node/desk"
)

// founding is what init was asked to do.
type founding struct {
	setup
	admin         string
	passwordStdin bool
	passwordFile  string
	tokenFile     string
	token         tokenTerms
}

func (a *app) initCommand() *cobra.Command {
	var f founding
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make a new cluster with this machine as its first node",
		Long: `Make a new cluster with this machine as its first node: its certificate
authority, its first administrator, this node's settings. A join token is
printed with which further nodes join.

Without a terminal and without --password-file or --password-stdin the
administrator gets a random password, which is printed once.`,
		Example: `  faxmeshd init --data /var/lib/faxmesh --name north --line 0301@/dev/ttyACM0
  faxmeshd init --data north --name north --listen 127.0.0.1:7487 \
      --client-listen 127.0.0.1:7488 --admin admin --password-file admin.pw`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.found(cmd.Context(), f) },
	}
	f.setup.flags(cmd)
	cmd.Flags().StringVar(&f.admin, "admin", "admin", "name of the first administrator")
	cmd.Flags().BoolVar(&f.passwordStdin, "password-stdin", false, "read the administrator's password from the first line of standard input")
	cmd.Flags().StringVar(&f.passwordFile, "password-file", "", "read the administrator's password from the first line of this file")
	cmd.Flags().StringVar(&f.tokenFile, "token-file", "", "write the join token to this file instead of printing it")
	cmd.MarkFlagsMutuallyExclusive("password-stdin", "password-file")
	f.token.flags(cmd)
	return cmd
}

func (a *app) found(ctx context.Context, f founding) error {
	file, values, err := f.file()
	if err != nil {
		return err
	}
	if err := f.token.check(); err != nil {
		return err
	}
	if err := fax.CheckName("account", f.admin); err != nil {
		return &terminal.Error{Status: terminal.Usage, Err: err}
	}
	if err := f.claim(); err != nil {
		return err
	}
	if err := freePorts(values); err != nil {
		return err
	}
	password, made, err := f.password(a.Terminal)
	if err != nil {
		return err
	}
	hash, err := desk.HashPassword(password)
	if err != nil {
		return err
	}
	unlock, err := lockData(f.dir)
	if err != nil {
		return err
	}
	defer unlock()
	options := clusterOptions(f.dir, values, slog.New(slog.DiscardHandler))
	options.Admin, options.AdminHash = desk.AccountName(f.admin), hash
	if err := cluster.Init(f.dir, options); err != nil {
		return err
	}
	if err := f.write(file); err != nil {
		return err
	}
	invitation, err := invite(ctx, options, f.admin, f.token)
	if err != nil {
		return fmt.Errorf("the cluster is made, but no join token: %w; make one with faxmeshd token --data %s", err, f.dir)
	}
	return a.tellFounded(f, values.Server(), invitation, password, made)
}

// password finds the administrator's password; made says that it is a new one.
func (f *founding) password(t terminal.Terminal) (password string, made bool, err error) {
	switch {
	case f.passwordStdin:
		password, err = terminal.PasswordLine(t.In)
	case f.passwordFile != "":
		password, err = terminal.PasswordFile(f.passwordFile)
	case t.Asking():
		password, err = t.AskTwice("Password for the administrator "+f.admin+": ", "use --password-stdin or --password-file")
	default:
		return strings.ToLower(rand.Text()), true, nil
	}
	return password, false, err
}

func (a *app) tellFounded(f founding, server settings.Server, invitation invitation, password string, made bool) error {
	token := invitation.token
	a.say("made a new cluster with the node %s in %s", server.Name, f.dir)
	a.say("its fingerprint, which clients see at their first login, is\n  %s", invitation.fingerprint)
	a.say("the administrator is %s", f.admin)
	if made {
		a.say("the administrator's password is %s; it is not shown again", password)
	}
	if f.tokenFile != "" {
		if err := settings.WriteDurably(f.tokenFile, []byte(token+"\n"), 0o600); err != nil {
			return err
		}
		a.say("the join token is in %s", f.tokenFile)
		token = "$(cat " + f.tokenFile + ")"
	}
	a.say("\nstart the node:\n  faxmeshd run --data %s", f.dir)
	a.say("\nadd a node, on its own machine (the token is good for %d nodes in the next %d hours):\n  faxmeshd join --data DIR --name NAME --token %s %s", f.token.uses, f.token.hours, token, where(server.Cluster))
	a.say("\nlog in:\n  faxmesh login %s@%s", f.admin, where(server.Client))
	return nil
}
