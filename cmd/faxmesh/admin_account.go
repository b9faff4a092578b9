package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

func (a *app) accountCommand() *cobra.Command {
	return terminal.Group(&cobra.Command{
		Use:   "account",
		Short: "Accounts and what they may do",
		Long: `Accounts and what they may do.

Rights: send, see-received, assign, see-all, administer; "individual" is send,
"administrator" is all of them.`,
		Example: `  faxmesh admin account add records --rights send,see-received,assign
  faxmesh admin account rights records individual
  faxmesh admin account rm records`,
	}, a.accountAdd(), a.accountRemove(), a.accountList(), a.accountRights(), a.accountPassword())
}

func (a *app) accountAdd() *cobra.Command {
	var source passwordSource
	var rights string
	cmd := &cobra.Command{
		Use:     "add ACCOUNT",
		Short:   "Add an account",
		Example: "  faxmesh admin account add records --password-stdin < secret",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			may, err := fax.ParseRights(rights)
			if err != nil {
				return err
			}
			if err := fax.CheckName("account", args[0]); err != nil {
				return err
			}
			password, err := source.readNew(a.Terminal, "Password for "+args[0]+": ")
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(c *clientlib.Client) error {
				if err := c.AddAccount(cmd.Context(), args[0], password, may); err != nil {
					return err
				}
				fmt.Fprintf(a.Out, "account %s may: %s\n", args[0], may)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&rights, "rights", "individual", "what it may do")
	source.flags(cmd)
	return cmd
}

func (a *app) accountRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "rm ACCOUNT...",
		Short: "Remove accounts",
		Long:  "Remove accounts. Their faxes and their activity record stay.",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(c *clientlib.Client) error {
				for _, name := range args {
					if err := c.DropAccount(cmd.Context(), name); err != nil {
						return fmt.Errorf("remove %s: %w", name, err)
					}
					fmt.Fprintf(a.Out, "account %s is gone\n", name)
				}
				return nil
			})
		},
	}
}

func (a *app) accountList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "Show the accounts", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(c *clientlib.Client) error {
				accounts, err := c.Accounts(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return a.json(orNone(accounts))
				}
				var rows [][]string
				for _, acc := range accounts {
					kind := "account"
					if acc.Visitor {
						kind = "visitor"
					}
					rows = append(rows, []string{acc.Name, kind, acc.Rights.String(), moment(acc.Created)})
				}
				return a.table("No accounts.", "ACCOUNT KIND RIGHTS CREATED", rows)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) accountRights() *cobra.Command {
	return &cobra.Command{
		Use:     "rights ACCOUNT RIGHTS",
		Short:   "Change what an account may do",
		Example: "  faxmesh admin account rights records send,see-received,assign",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			may, err := fax.ParseRights(args[1])
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(c *clientlib.Client) error {
				if err := c.SetRights(cmd.Context(), args[0], may); err != nil {
					return err
				}
				fmt.Fprintf(a.Out, "account %s may: %s\n", args[0], may)
				return nil
			})
		},
	}
}

func (a *app) accountPassword() *cobra.Command {
	var source passwordSource
	cmd := &cobra.Command{
		Use:   "passwd ACCOUNT",
		Short: "Give an account a new password",
		Long:  "Give an account a new password. Its sessions end.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := source.readNew(a.Terminal, "New password for "+args[0]+": ")
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(c *clientlib.Client) error {
				if err := c.SetPassword(cmd.Context(), args[0], "", password); err != nil {
					return err
				}
				fmt.Fprintf(a.Out, "account %s has a new password\n", args[0])
				return nil
			})
		},
	}
	source.flags(cmd)
	return cmd
}
