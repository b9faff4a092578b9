package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/cluster"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

const (
	joinTime     = time.Minute // for the whole of joining
	maxTokenFile = 4096        // octets
)

// joining is what join was asked to do.
type joining struct {
	setup
	token     string
	tokenFile string
}

func (a *app) joinCommand() *cobra.Command {
	var j joining
	cmd := &cobra.Command{
		Use:   "join HOST:PORT",
		Short: "Make this machine a node of an existing cluster",
		Long: `Make this machine a node of an existing cluster. HOST:PORT is the cluster port
(7487) of any of its nodes, which must run. The token comes from faxmeshd init,
or from an administrator: faxmesh admin token.`,
		Example: `  faxmeshd join --data /var/lib/faxmesh --name south --token fxm1-... north.example:7487
  faxmeshd join --data south --name south --token-file token 127.0.0.1:7487`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.join(cmd.Context(), j, args[0]) },
	}
	j.setup.flags(cmd)
	cmd.Flags().StringVar(&j.token, "token", "", "the join token")
	cmd.Flags().StringVar(&j.tokenFile, "token-file", "", "read the join token from this file; - is standard input")
	cmd.MarkFlagsMutuallyExclusive("token", "token-file")
	return cmd
}

func (a *app) join(ctx context.Context, j joining, addr string) error {
	file, values, err := j.file()
	if err != nil {
		return err
	}
	token, err := j.readToken(a.In)
	if err != nil {
		return err
	}
	if err := j.claim(); err != nil {
		return err
	}
	if err := freePorts(values); err != nil {
		return err
	}
	unlock, err := lockData(j.dir)
	if err != nil {
		return err
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	server := values.Server()
	if err := cluster.Join(ctx, j.dir, token, addr, clusterOptions(j.dir, values, slog.New(slog.DiscardHandler))); err != nil {
		return err
	}
	if err := j.write(file); err != nil {
		return err
	}
	a.say("%s is a node of the cluster, in %s", server.Name, j.dir)
	a.say("\nstart it:\n  faxmeshd run --data %s", j.dir)
	return nil
}

func (j *joining) readToken(stdin io.Reader) (string, error) {
	if j.token != "" {
		return j.token, nil
	}
	var r io.Reader
	switch j.tokenFile {
	case "":
		return "", terminal.Usagef("name the join token with --token or --token-file; an administrator makes one with: faxmesh admin token")
	case "-":
		r = stdin
	default:
		f, err := os.Open(j.tokenFile)
		if err != nil {
			return "", fmt.Errorf("read the join token: %w", err)
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, maxTokenFile))
	if err != nil {
		return "", fmt.Errorf("read the join token: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", terminal.Usagef("there is no join token in %s", j.tokenFile)
	}
	return token, nil
}
