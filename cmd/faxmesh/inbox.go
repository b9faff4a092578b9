package main

import (
	"cmp"
	"fmt"
	"slices"
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
		Use:   "inbox [FAX]",
		Short: "Show received faxes",
		Long: `Show the received faxes that you may see, newest first: those assigned to you, and
all with the right see-received; or one of them in full. FAX is an id, or as
much of its beginning as is unique.`,
		Example: `  faxmesh inbox
  faxmesh inbox 01hq2v
  faxmesh inbox --json | jq -r '.[0].id'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(c *clientlib.Client) error {
				list, err := c.Inbox(cmd.Context(), limit)
				if err != nil {
					return err
				}
				if len(args) == 1 {
					return a.showReceived(list, args[0], asJSON)
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
		from := cmp.Or(f.Remote, f.Caller, f.Name)
		count := strconv.Itoa(f.Fax.Pages)
		if f.Status != 0 {
			count += " (incomplete)"
		}
		rows = append(rows, []string{f.ID, moment(f.At), count, from, f.Called, f.Node, strings.Join(f.Assigned, ",")})
	}
	return rows
}

// showReceived shows the one fax whose id begins with prefix.
func (a *app) showReceived(list []fax.ReceivedFax, prefix string, asJSON bool) error {
	list = slices.DeleteFunc(list, func(f fax.ReceivedFax) bool { return !strings.HasPrefix(f.ID, prefix) })
	switch len(list) {
	case 0:
		return fax.Errorf(fax.NotFound, "there is no received fax %q that you may see", prefix)
	case 1:
	default:
		return fax.Errorf(fax.Invalid, "%d ids begin with %q; give more of it", len(list), prefix)
	}
	f := list[0]
	if asJSON {
		return a.json(f)
	}
	damaged := ""
	if f.BadRows > 0 {
		damaged = fmt.Sprintf("%d lines", f.BadRows)
	}
	a.facts([][2]string{
		{"Fax", f.ID},
		{"Received", moment(f.At)},
		{"Pages", strconv.Itoa(f.Fax.Pages)},
		{"Incomplete", f.Reason},
		{"Damaged", damaged},
		{"From", f.Remote},
		{"Caller", f.Caller},
		{"Caller's name", f.Name},
		{"Called", f.Called},
		{"Ring", f.Ring},
		{"Taken by", f.Line + " of " + f.Node},
		{"Call", f.Details},
		{"Assigned to", strings.Join(f.Assigned, ", ")},
	})
	return nil
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
