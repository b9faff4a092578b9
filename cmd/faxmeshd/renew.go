package main

import (
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/cluster"
)

func (a *app) renewCommand() *cobra.Command {
	var dir string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "renew",
		Short: "Give this node a new key and certificate now",
		Long: `Give the running node of this directory a new key and certificate, as when
somebody may have read the old ones. The old key opens nothing from then on.

Nodes do that by themselves: a certificate lives for a year and is renewed after
two thirds of it. A node that was switched off for longer signs itself a new one
for the key by which the others know it, and needs no help.`,
		Example: `  faxmeshd renew --data /var/lib/faxmesh
  faxmeshd renew --data north --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var r cluster.Renewed
			if err := a.ask(cmd.Context(), dir, cluster.MethodRenew, orderTime, nil, &r); err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(a.Out)
				e.SetIndent("", "  ")
				return e.Encode(r)
			}
			a.say("the node has the key %s, its certificate is good until %s", r.Fingerprint, r.Until.Time().Local().Format(time.DateOnly))
			return nil
		},
	}
	dataFlag(cmd, &dir)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
