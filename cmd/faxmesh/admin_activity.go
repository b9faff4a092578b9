package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/activity"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

// search is what activity was asked to do.
type search struct {
	filter      fax.ActivityFilter
	from, until string
	export      string
	asJSON      bool
}

func (a *app) activityCommand() *cobra.Command {
	var s search
	cmd := &cobra.Command{
		Use:   "activity",
		Short: "Search the activity record, export it, check an export",
		Long: `Search the activity record: who did what, where and when. Each entry's chain
value covers all before it, so that none can be changed or taken out unseen.

--export writes the record as it is now to a file, one JSON object a line, signed
by the node. It can be checked anywhere, without a cluster:
faxmesh admin activity verify FILE.

--from and --until take a date, a date and time, or how long ago, as 90m or 48h.`,
		Example: `  faxmesh admin activity --newest --limit 50
  faxmesh admin activity --account reception --from 2026-11-01 --until 2026-12-01
  faxmesh admin activity --kind login-refused --from 24h --json
  faxmesh admin activity --fax 01hq2v
  faxmesh admin activity --export record.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.export != "" {
				return a.exportActivity(cmd, s)
			}
			return a.searchActivity(cmd, s)
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&s.filter.After, "after", 0, "only entries after this number")
	f.Uint64Var(&s.filter.Before, "before", 0, "only entries before this number")
	f.BoolVar(&s.filter.Newest, "newest", false, "the newest first")
	f.StringVar(&s.filter.Account, "account", "", "only what this account did, or what was done to it")
	f.StringVar(&s.filter.What, "kind", "", "only this kind of act, as submit, sent, view or login-refused")
	f.StringVar(&s.filter.Object, "fax", "", "only about this fax; the beginning of its id will do")
	f.StringVar(&s.from, "from", "", "not before this time")
	f.StringVar(&s.until, "until", "", "before this time")
	f.IntVar(&s.filter.Limit, "limit", 1000, "at most so many entries, 0 for all")
	f.BoolVar(&s.asJSON, "json", false, "print JSON")
	f.StringVar(&s.export, "export", "", "write the record to this file, - for standard output")
	cmd.AddCommand(a.verifyCommand())
	return cmd
}

func (a *app) searchActivity(cmd *cobra.Command, s search) (err error) {
	now := time.Now()
	if s.filter.From, err = parsePast(s.from, now); err != nil {
		return err
	}
	if s.filter.Until, err = parsePast(s.until, now); err != nil {
		return err
	}
	if s.filter.Limit < 0 {
		return terminal.Usagef("--limit must not be negative")
	}
	var entries []fax.Activity
	err = a.with(cmd.Context(), func(c *clientlib.Client) error {
		return c.FindActivity(cmd.Context(), s.filter, func(e fax.Activity) error {
			entries = append(entries, e)
			return nil
		})
	})
	if err != nil {
		return err
	}
	if s.asJSON {
		return a.json(orNone(entries))
	}
	var rows [][]string
	for _, e := range entries {
		rows = append(rows, []string{strconv.FormatUint(e.Seq, 10), moment(e.At), e.Who, e.Node, e.What, e.Object, e.Detail})
	}
	if err := a.table("No entries.", "ENTRY TIME WHO NODE WHAT OBJECT DETAIL", rows); err != nil {
		return err
	}
	if n := len(entries); n > 0 && n == s.filter.Limit {
		further := "--after"
		if s.filter.Newest {
			further = "--before"
		}
		fmt.Fprintf(a.Err, "%s: there may be more: go on with %s %d, or ask for all with --limit 0\n", program, further, entries[n-1].Seq)
	}
	return nil
}

// parsePast reads a time of --from and --until, 0 for none.
func parsePast(text string, now time.Time) (fax.Millis, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return fax.At(now.Add(-ago)), nil
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04"} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return fax.At(at), nil
		}
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return fax.At(at), nil
	}
	return 0, terminal.Usagef("the time %q is not understood; write as 2006-01-02, \"2006-01-02 18:00\", or 48h for so long ago", text)
}

func (a *app) exportActivity(cmd *cobra.Command, s search) error {
	for _, flag := range []string{"before", "newest", "account", "kind", "fax", "from", "until", "limit", "json"} {
		if cmd.Flags().Changed(flag) {
			return terminal.Usagef("--export writes the whole record, or what comes --after a number: with --%s it could not be checked", flag)
		}
	}
	return a.with(cmd.Context(), func(c *clientlib.Client) error {
		var head fax.ActivityHead
		write := func(w io.Writer) (err error) {
			head, err = c.ExportActivity(cmd.Context(), s.filter.After, w)
			return err
		}
		if s.export == "-" {
			return write(a.Out)
		}
		if err := settings.StreamDurably(s.export, 0o600, write); err != nil {
			return err
		}
		a.say("entries %d to %d of cluster %s are in %s", head.First, head.Last, head.Cluster, s.export)
		a.say("their end, worth writing down elsewhere, is\n  %s", head.End)
		return nil
	})
}

func (a *app) verifyCommand() *cobra.Command {
	var fingerprint string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify FILE [NEWER]",
		Short: "Check an exported activity record, without a cluster",
		Long: `Check an exported activity record, without a cluster: every entry follows from
the one before, none is missing, changed, put in or out of place, and the whole
is signed by a node of the cluster. With a second, newer export: it goes on where
the first one ends, and nothing of the first was changed in it.

Anyone could sign with an authority of his own. Name the right one with
--fingerprint, as clients see it at their first login, to know that the export
is of your cluster. What the check proves and what it cannot is in
docs/activity.md.`,
		Example: `  faxmesh admin activity verify record.jsonl --fingerprint 5f3a...
  faxmesh admin activity verify october.jsonl november.jsonl`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			head, err := verifyExports(args)
			if err != nil {
				return err
			}
			found := activity.Fingerprint(head)
			wanted := strings.ToLower(strings.ReplaceAll(fingerprint, ":", ""))
			if wanted != "" && wanted != found {
				return fmt.Errorf("the export is signed under the authority %s, not under %s: it is not of the cluster that you mean", found, wanted)
			}
			if asJSON {
				return a.json(verdict{Cluster: head.Cluster, Node: head.Node, Made: head.Made, First: head.First, Last: head.Last,
					Before: head.Before, End: head.End, Authority: found, Authentic: wanted != ""})
			}
			a.say("entries %d to %d of cluster %s are whole and unchanged", head.First, head.Last, head.Cluster)
			a.say("signed by node %s on %s", head.Node, moment(head.Made))
			a.say("end of the chain:\n  %s", head.End)
			if wanted == "" {
				a.say("under the authority below; compare it with your cluster's, or name that with --fingerprint\n  %s", found)
			}
			if len(args) == 2 {
				a.say("%s goes on where %s ends", args[1], args[0])
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&fingerprint, "fingerprint", "", "SHA-256 of the authority's certificate that must have signed")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// verdict is what verify has found.
type verdict struct {
	Cluster   string     `json:"cluster"`
	Node      string     `json:"node"`
	Made      fax.Millis `json:"made"`
	First     uint64     `json:"first"`
	Last      uint64     `json:"last"`
	Before    string     `json:"before"`
	End       string     `json:"end"`
	Authority string     `json:"authority"`
	Authentic bool       `json:"authentic"` // the authority is the one that was named
}

// verifyExports checks one export, or two of which the second goes on.
func verifyExports(paths []string) (head fax.ActivityHead, err error) {
	var files []io.Reader
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return head, err
		}
		defer f.Close() // read only: its error changes nothing
		files = append(files, f)
	}
	if len(files) == 2 {
		_, head, err = activity.Extend(files[0], files[1])
		return head, err
	}
	if head, err = activity.Verify(files[0], nil); err != nil {
		err = fmt.Errorf("%s: %w", paths[0], err)
	}
	return head, err
}
