package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

func (a *app) adminCommand() *cobra.Command {
	return terminal.Group(&cobra.Command{
		Use:   "admin",
		Short: "Run the fax system: accounts, rules, nodes",
		Long:  "Run the fax system: accounts, rules, nodes. Needs the right administer.",
		Example: `  faxmesh admin account add records
  faxmesh admin dialrule add 02 south
  faxmesh admin token`,
	}, a.accountCommand(), a.dialRuleCommand(), a.routeCommand(),
		a.tokenCommand(), a.nodesCommand(), a.activityCommand())
}

func (a *app) dialRuleCommand() *cobra.Command {
	var asJSON bool
	list := &cobra.Command{
		Use: "list", Short: "Show the dial rules", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(c *clientlib.Client) error {
				rules, err := c.DialRules(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return a.json(orNone(rules))
				}
				var rows [][]string
				for _, r := range rules {
					rows = append(rows, []string{strconv.Quote(r.Prefix), r.Node})
				}
				return a.table("No dial rules: any node with a free line sends.", "PREFIX NODE", rows)
			})
		},
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return terminal.Group(&cobra.Command{
		Use:   "dialrule",
		Short: "Say which node dials which numbers",
		Long:  `Say which node dials which numbers. The longest prefix that a number begins with wins; "" is every number.`,
		Example: `  faxmesh admin dialrule add 02 south
  faxmesh admin dialrule add "" north`,
	}, list,
		&cobra.Command{
			Use: "add PREFIX NODE", Short: "Add or change a rule", Args: cobra.ExactArgs(2),
			RunE: func(cmd *cobra.Command, args []string) error {
				return a.with(cmd.Context(), func(c *clientlib.Client) error {
					if err := c.PutDialRule(cmd.Context(), fax.DialRule{Prefix: args[0], Node: args[1]}); err != nil {
						return err
					}
					fmt.Fprintf(a.Out, "numbers that begin with %q are dialled by %s\n", args[0], args[1])
					return nil
				})
			},
		},
		&cobra.Command{
			Use: "rm PREFIX", Short: "Remove a rule", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return a.with(cmd.Context(), func(c *clientlib.Client) error {
					if err := c.DropDialRule(cmd.Context(), args[0]); err != nil {
						return err
					}
					fmt.Fprintf(a.Out, "the rule for %q is gone\n", args[0])
					return nil
				})
			},
		})
}

func (a *app) routeCommand() *cobra.Command {
	var asJSON bool
	var caller string
	list := &cobra.Command{
		Use: "list", Short: "Show the routes", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(c *clientlib.Client) error {
				routes, err := c.Routes(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return a.json(orNone(routes))
				}
				var rows [][]string
				for _, r := range routes {
					rows = append(rows, []string{strconv.Quote(r.Number), cmp.Or(r.Caller, "all"), strings.Join(r.Accounts, ",")})
				}
				return a.table("No routes: received faxes wait to be assigned.", "NUMBER CALLER ACCOUNTS", rows)
			})
		},
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	add := &cobra.Command{
		Use: "add NUMBER ACCOUNT...", Short: "Add or change a route", Args: cobra.RangeArgs(2, 1+fax.MaxAssign),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.putRoute(cmd, fax.Route{Number: args[0], Caller: caller, Accounts: args[1:]},
				fmt.Sprintf("faxes to %q%s go to %s", args[0], ofCaller(caller), strings.Join(args[1:], ", ")))
		},
	}
	rm := &cobra.Command{
		Use: "rm NUMBER", Short: "Remove a route", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.putRoute(cmd, fax.Route{Number: args[0], Caller: caller}, fmt.Sprintf("the route for %q%s is gone", args[0], ofCaller(caller)))
		},
	}
	for _, c := range []*cobra.Command{add, rm} {
		c.Flags().StringVar(&caller, "caller", "", "only for faxes from this number, as the telephone line tells it")
	}
	return terminal.Group(&cobra.Command{
		Use:   "route",
		Short: "Say whose the faxes to a called number are",
		Long: `Say whose the faxes to a called number are. "" is every number that no other
route takes. The routes of one caller come before those of all callers.`,
		Example: `  faxmesh admin route add 0301 records reception
  faxmesh admin route add "" judge --caller 0301234
  faxmesh admin route add "" reception`,
	}, list, add, rm)
}

func ofCaller(caller string) string {
	if caller == "" {
		return ""
	}
	return " from " + caller
}

// putRoute sets a route; without accounts it is removed.
func (a *app) putRoute(cmd *cobra.Command, r fax.Route, done string) error {
	return a.with(cmd.Context(), func(c *clientlib.Client) error {
		if err := c.PutRoute(cmd.Context(), r); err != nil {
			return err
		}
		fmt.Fprintln(a.Out, done)
		return nil
	})
}

func (a *app) tokenCommand() *cobra.Command {
	var uses, hours int
	cmd := &cobra.Command{
		Use:     "token",
		Short:   "Make a token with which a further node may join",
		Example: "  faxmesh admin token --uses 2 --hours 1",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if uses < 1 || hours < 1 {
				return terminal.Usagef("--uses and --hours must be at least 1")
			}
			return a.with(cmd.Context(), func(c *clientlib.Client) error {
				token, err := c.NewToken(cmd.Context(), uses, hours)
				if err != nil {
					return err
				}
				fmt.Fprintln(a.Out, token)
				return nil
			})
		},
	}
	cmd.Flags().IntVar(&uses, "uses", 1, "how many nodes may join with it")
	cmd.Flags().IntVar(&hours, "hours", 24, "how long it is good")
	return cmd
}
