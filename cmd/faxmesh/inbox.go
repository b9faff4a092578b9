package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
)

func (a *app) inboxCommand() *cobra.Command {
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inbox",
		Short: "Show received faxes",
		Long:  "Show the received faxes that you may see, newest first: those assigned to you, and all with the right see-received.",
		Example: `  faxmesh inbox
  faxmesh inbox --json | jq -r '.[0].id'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(c *clientlib.Client) error {
				list, err := c.Inbox(cmd.Context(), limit)
				if err != nil {
					return err
				}
				if asJSON {
					return a.json(orNone(list))
				}
				return a.table("No received faxes.", "FAX RECEIVED PAGES FROM CALLED NODE ASSIGNED", inboxRows(list))
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 0, "at most so many (0: as many as the node gives)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func inboxRows(list []fax.ReceivedFax) [][]string {
	var rows [][]string
	for _, f := range list {
		from := f.Remote
		if from == "" {
			from = f.Caller
		}
		count := strconv.Itoa(f.Fax.Pages)
		if f.Status != 0 {
			count += " (incomplete)"
		}
		rows = append(rows, []string{f.ID, moment(f.At), count, from, f.Called, f.Node, strings.Join(f.Assigned, ",")})
	}
	return rows
}

func (a *app) assignCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "assign FAX ACCOUNT...",
		Short:   "Assign a received fax to accounts",
		Long:    "Assign a received fax to accounts: they may see it, and are told. Needs the right assign.",
		Example: "  faxmesh assign 01hq2v records reception",
		Args:    cobra.RangeArgs(2, 1+fax.MaxAssign),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(c *clientlib.Client) error {
				if err := c.Assign(cmd.Context(), args[0], args[1:]); err != nil {
					return err
				}
				fmt.Fprintf(a.Out, "fax %s is assigned to %s\n", args[0], strings.Join(args[1:], ", "))
				return nil
			})
		},
	}
}
