package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

func (a *app) statusCommand() *cobra.Command {
	var filter fax.JobFilter
	var drawer string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [FAX]",
		Short: "Show outgoing faxes",
		Long:  "Show outgoing faxes, newest first, or one of them in full. FAX is an id, or as much of its beginning as is unique.",
		Example: `  faxmesh status
  faxmesh status 01hq2v
  faxmesh status --drawer failed --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkDrawer(drawer); err != nil {
				return err
			}
			filter.Drawer = fax.Drawer(drawer)
			return a.with(cmd.Context(), func(c *clientlib.Client) error {
				if len(args) == 1 {
					job, err := c.Job(cmd.Context(), args[0])
					if err != nil {
						return err
					}
					return a.showJob(job, asJSON)
				}
				jobs, err := c.Jobs(cmd.Context(), filter)
				if err != nil {
					return err
				}
				return a.showJobs(jobs, filter.All, asJSON)
			})
		},
		ValidArgsFunction: a.completeJobs,
	}
	cmd.Flags().BoolVar(&filter.All, "all", false, "every account's faxes (needs the right see-all)")
	cmd.Flags().StringVar(&drawer, "drawer", "", "only this drawer: pending, sent or failed")
	cmd.Flags().IntVar(&filter.Limit, "limit", 0, "at most so many (0: as many as the node gives)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func checkDrawer(name string) error {
	switch fax.Drawer(name) {
	case "", fax.Pending, fax.Sent, fax.Failed:
		return nil
	case fax.Received:
		return terminal.Usagef("received faxes are listed by: faxmesh inbox")
	}
	return terminal.Usagef("there is no drawer %q; drawers are pending, sent and failed", name)
}

func (a *app) showJobs(jobs []fax.Job, all, asJSON bool) error {
	if asJSON {
		return a.json(orNone(jobs))
	}
	head := "FAX STATE PAGES NUMBER SUBMITTED TITLE"
	if all {
		head = "FAX STATE PAGES NUMBER SUBMITTED OWNER TITLE"
	}
	var rows [][]string
	for _, j := range jobs {
		row := []string{j.ID, string(j.State), fmt.Sprintf("%d/%d", j.Confirmed, j.Fax.Pages), j.Number, moment(j.Submitted)}
		if all {
			row = append(row, j.Owner)
		}
		rows = append(rows, append(row, j.Title))
	}
	return a.table("No faxes.", head, rows)
}

// orNone makes an empty list [] in JSON, not null.
func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// aloneText says who alone has a fax.
func aloneText(j fax.Job) string {
	if j.Alone == "" {
		return ""
	}
	return j.Alone + " alone, which was cut off; it tells the other servers when the link is back"
}

func (a *app) showJob(j fax.Job, asJSON bool) error {
	if asJSON {
		return a.json(j)
	}
	a.facts([][2]string{
		{"Fax", j.ID},
		{"Title", j.Title},
		{"To", j.Number},
		{"From", j.Owner},
		{"State", string(j.State)},
		{"Reason", j.Reason},
		{"Waits", j.Waits},
		{"Pages", fmt.Sprintf("%d of %d confirmed", j.Confirmed, j.Fax.Pages)},
		{"Submitted", moment(j.Submitted) + " at " + j.Home},
		{"Not before", moment(j.NotBefore)},
		{"Attempts", strconv.Itoa(j.Tries)},
		{"Known to", aloneText(j)},
	})
	if t := j.Last; t != nil {
		ended := "still running"
		if t.Ended != 0 {
			ended = moment(t.Ended)
		}
		a.facts([][2]string{
			{"Last attempt", fmt.Sprintf("number %d on %s of %s, begun %s, ended %s", t.Number, t.Line, t.Node, moment(t.Begun), ended)},
			{"Ended with", t.Reason},
			{"Remote", t.Remote},
			{"Call", t.Details},
			{"Note", t.Note},
		})
	}
	return nil
}

// facts prints names and values, leaving out what is empty.
func (a *app) facts(facts [][2]string) {
	for _, f := range facts {
		if f[1] != "" {
			fmt.Fprintf(a.Out, "%-13s %s\n", f[0]+":", clean(f[1]))
		}
	}
}

func (a *app) cancelCommand() *cobra.Command {
	return a.directCommand("cancel", "Cancel outgoing faxes", fax.Cancelled)
}

func (a *app) holdCommand() *cobra.Command {
	return a.directCommand("hold", "Keep outgoing faxes back until they are resumed", fax.Held)
}

func (a *app) resumeCommand() *cobra.Command {
	return a.directCommand("resume", "Let held faxes go", fax.Queued)
}

func (a *app) directCommand(verb, short string, to fax.State) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " FAX...",
		Short:   short,
		Example: "  faxmesh " + verb + " 01hq2v",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(c *clientlib.Client) error {
				for _, id := range args {
					job, err := c.Direct(cmd.Context(), id, to)
					if err != nil {
						return fmt.Errorf("%s %s: %w", verb, id, err)
					}
					fmt.Fprintf(a.Out, "fax %s to %s is %s\n", job.ID, clean(job.Number), job.State)
				}
				return nil
			})
		},
		ValidArgsFunction: a.completeJobs,
	}
}

// completeJobs offers the ids of the person's own faxes.
func (a *app) completeJobs(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var ids []string
	_ = a.with(cmd.Context(), func(c *clientlib.Client) error { // completion has nowhere to complain
		jobs, err := c.Jobs(cmd.Context(), fax.JobFilter{})
		for _, j := range jobs {
			ids = append(ids, fmt.Sprintf("%s\t%s to %s", j.ID, j.State, clean(j.Number)))
		}
		return err
	})
	return ids, cobra.ShellCompDirectiveNoFileComp
}
