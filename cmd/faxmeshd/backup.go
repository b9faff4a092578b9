package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/cluster"
	"github.com/faxmesh/faxmesh/cluster/archive"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

// leastPassphrase is how many octets the passphrase of a backup has at least.
const leastPassphrase = 10

// tellEvery is how often a person is told how far a backup is.
const tellEvery = 5 * time.Second

// backup is what backup was asked to do.
type backup struct {
	dir        string
	file       string
	passphrase string // file that it is in
	bare       bool   // without documents
	asJSON     bool
}

func (a *app) backupCommand() *cobra.Command {
	var b backup
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Back the cluster up into one encrypted file",
		Long: `Back the cluster up into one encrypted file, from a running node: the state that
all nodes share, as it was at one moment, and the documents that it names,
fetched from other nodes where this one has no copy. Work goes on meanwhile.

The file holds all that is needed to bring the cluster back on new machines with
faxmeshd restore: accounts with the hashes of their passwords, rights, rules,
jobs, received faxes, the activity record, every page; the key of the cluster's
authority, so that clients know it again; and this node's NCFXSERVER.DAT and
CLIENTSETTINGS.TXT. Whoever has file and passphrase has the cluster: keep them
apart. Without the passphrase the file is of no use to anybody.

It does not hold calls under way, what nodes that are cut off have not told yet,
the settings of other nodes, nor their keys. A node that joins needs none of it.`,
		Example: `  faxmeshd backup --data /var/lib/faxmesh /mnt/backup/faxmesh-2026-11-23
  faxmeshd backup --data north --passphrase-file phrase --no-documents state.backup`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b.file = args[0]
			return a.backUp(cmd.Context(), b)
		},
	}
	dataFlag(cmd, &b.dir)
	passphraseFlag(cmd, &b.passphrase)
	cmd.Flags().BoolVar(&b.bare, "no-documents", false, "only the state, without the pages")
	cmd.Flags().BoolVar(&b.asJSON, "json", false, "print JSON")
	return cmd
}

func passphraseFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "passphrase-file", "", "read the passphrase from the first line of this file")
}

func (a *app) backUp(ctx context.Context, b backup) error {
	if err := needData(b.dir); err != nil {
		return err
	}
	if _, err := os.Lstat(b.file); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already; a backup replaces nothing: name another file", b.file)
	}
	values, err := a.readSettings(b.dir, nil)
	if err != nil {
		return err
	}
	order, err := b.order()
	if err != nil {
		return err
	}
	control, err := cluster.Reach(b.dir, values.Server().Cluster.Bind)
	if err != nil {
		return err
	}
	defer control.Close()
	passphrase, err := b.newPassphrase(a.Terminal)
	if err != nil {
		return err
	}
	var result cluster.BackupResult
	err = settings.StreamDurably(b.file, 0o600, func(w io.Writer) error {
		sealed, err := archive.NewWriter(w, passphrase)
		if err != nil {
			return err
		}
		if result, err = control.Backup(ctx, order, sealed, a.telling()); err != nil {
			return err
		}
		return sealed.Close()
	})
	if err != nil {
		return err
	}
	return a.backedUp(b, result)
}

// order is what the node is to put into the backup.
func (b *backup) order() (order cluster.BackupOrder, err error) {
	order.Documents = !b.bare
	for _, path := range []string{serverPath(b.dir), filepath.Join(b.dir, settings.ShippedFile)} {
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return order, fmt.Errorf("read the settings: %w", err)
		}
		order.Files = append(order.Files, cluster.BackupFile{Name: filepath.Base(path), Content: content})
	}
	return order, nil
}

func (b *backup) newPassphrase(t terminal.Terminal) (passphrase string, err error) {
	if b.passphrase != "" {
		passphrase, err = terminal.PasswordFile(b.passphrase)
	} else {
		passphrase, err = t.AskTwice("Passphrase of the backup: ", "use --passphrase-file")
	}
	if err == nil && len(passphrase) < leastPassphrase {
		err = fmt.Errorf("the passphrase has less than %d characters; take several words, and keep them: without them the backup cannot be read", leastPassphrase)
	}
	return passphrase, err
}

// telling says now and then how far the backup is, to a person.
func (a *app) telling() func(cluster.BackupProgress) {
	var last time.Time
	return func(p cluster.BackupProgress) {
		if a.Lively() && time.Since(last) >= tellEvery {
			last = time.Now()
			fmt.Fprintf(a.Err, "%d documents, %d MiB so far\n", p.Documents, p.Octets>>20)
		}
	}
}

func (a *app) backedUp(b backup, result cluster.BackupResult) error {
	if b.asJSON {
		e := json.NewEncoder(a.Out)
		e.SetIndent("", "  ")
		if err := e.Encode(result); err != nil {
			return err
		}
	} else {
		a.say("the backup is in %s: the state with %d documents, %d KiB", b.file, result.Documents, (result.Octets+1023)>>10)
		a.say("check it with: faxmeshd restore --check %s", b.file)
	}
	if result.Lost > 0 {
		for _, hash := range result.Missing {
			fmt.Fprintf(a.Err, "missing document: %s\n", hash)
		}
		return fmt.Errorf("the backup is made, but without %d documents that are on none of the nodes that can be reached; start the missing nodes and make another", result.Lost)
	}
	return nil
}
