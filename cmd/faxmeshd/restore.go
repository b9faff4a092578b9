package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/cluster"
	"github.com/faxmesh/faxmesh/cluster/archive"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

// maxSettings is the longest settings file in octets.
const maxSettings = 1 << 20

// restore is what restore was asked to do.
type restore struct {
	dir        string
	file       string
	passphrase string // file that it is in
	settings   string // file that takes the place of the one in the backup
	resume     bool
	check      bool
	asJSON     bool
}

func (a *app) restoreCommand() *cobra.Command {
	var r restore
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make a new cluster of one node out of a backup",
		Long: `Make a new cluster of one node out of a backup, in an empty directory, when all
nodes are lost. The whole backup is checked before anything is written.

Accounts, rights, rules, faxes and the activity record are those of the backup,
and so is the cluster's authority: clients know the cluster again. Everybody has
to log in anew. The nodes of before are no members any more, even if they come
back: they must join in new directories. The dial rules that name them are
removed, and shown so that they can be added again.

A job that waited when the backup was made may have been sent after that. So such
jobs are held, with the reason; look at them with faxmesh status, and resume those
that were not sent: faxmesh resume ID. With --resume-jobs they all go on by
themselves, and some may be sent twice.

The node's settings are those in the backup, or those of --settings: edit
DATA/NCFXSERVER.DAT before the first start if ports or lines are others now.

--check only reads and checks the backup.`,
		Example: `  faxmeshd restore --check /mnt/backup/faxmesh-2026-11-23
  faxmeshd restore --data /var/lib/faxmesh /mnt/backup/faxmesh-2026-11-23
  faxmeshd restore --data new --passphrase-file phrase --settings NCFXSERVER.DAT state.backup`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.file = args[0]
			return a.restore(cmd.Context(), r)
		},
	}
	dataFlag(cmd, &r.dir)
	passphraseFlag(cmd, &r.passphrase)
	f := cmd.Flags()
	f.StringVar(&r.settings, "settings", "", "take this NCFXSERVER.DAT instead of the one in the backup")
	f.BoolVar(&r.resume, "resume-jobs", false, "let jobs go on that waited when the backup was made; some may be sent twice")
	f.BoolVar(&r.check, "check", false, "only check the backup")
	f.BoolVar(&r.asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) restore(ctx context.Context, r restore) error {
	if !r.check {
		if err := r.empty(); err != nil {
			return err
		}
	}
	f, err := os.Open(r.file)
	if err != nil {
		return err
	}
	defer f.Close() // read only: its error changes nothing
	passphrase, err := r.oldPassphrase(a.Terminal)
	if err != nil {
		return err
	}
	opened, err := archive.NewReader(f, passphrase)
	if err != nil {
		return fmt.Errorf("%s: %w", r.file, err)
	}
	found, err := cluster.CheckBackup(opened)
	if err != nil {
		return fmt.Errorf("%s: %w; nothing has been written", r.file, err)
	}
	if r.check {
		return a.tellBackup(r, found)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if opened, err = archive.NewReader(f, passphrase); err != nil {
		return fmt.Errorf("%s: %w", r.file, err)
	}
	return a.restoreFrom(ctx, r, found, opened)
}

// empty refuses a directory in which there is anything.
func (r *restore) empty() error {
	if err := needData(r.dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(r.dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the node's directory: %w", err)
	}
	return fmt.Errorf("the directory %s is not empty; restore into a new one", r.dir)
}

func (r *restore) oldPassphrase(t terminal.Terminal) (string, error) {
	if r.passphrase != "" {
		return terminal.PasswordFile(r.passphrase)
	}
	return t.Ask("Passphrase of the backup: ", "use --passphrase-file")
}

// nodeSettings are those of the node to be, as octets and as read.
func (r *restore) nodeSettings(a *app, found cluster.Contents) (file *settings.File, values *settings.Values, err error) {
	name, content := r.settings, []byte(nil)
	if name != "" {
		if content, err = readSmall(name); err != nil {
			return nil, nil, err
		}
	} else {
		name = settings.ServerFile
		if content = fileOf(found, name); content == nil {
			return nil, nil, errors.New("the backup holds no NCFXSERVER.DAT; name one with --settings")
		}
	}
	if file, err = settings.Parse(name, content); err != nil {
		return nil, nil, err
	}
	values, warnings, err := settings.ServerSchema.Resolve(file.Layer(), settings.EnvLayer(os.Environ()))
	for _, w := range warnings {
		fmt.Fprintf(a.Err, "%s: warning: %v\n", program, w)
	}
	if err == nil {
		err = fax.CheckName("node", values.Server().Name)
	}
	return file, values, err
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	return io.ReadAll(io.LimitReader(f, maxSettings))
}

func fileOf(found cluster.Contents, name string) []byte {
	for _, f := range found.Files {
		if f.Name == name {
			return f.Content
		}
	}
	return nil
}

func (a *app) restoreFrom(ctx context.Context, r restore, found cluster.Contents, backup io.Reader) error {
	file, values, err := r.nodeSettings(a, found)
	if err != nil {
		return err
	}
	unlock, err := lockData(r.dir)
	if err != nil {
		return err
	}
	defer unlock()
	done, err := cluster.Restore(ctx, backup, clusterOptions(r.dir, values, slog.New(slog.DiscardHandler)), r.resume)
	if err != nil {
		r.leave()
		return fmt.Errorf("nothing has been restored: %w", err)
	}
	shipped := fileOf(found, settings.ShippedFile)
	if shipped == nil {
		shipped = []byte(settings.ShippedText)
	}
	if err := settings.WriteDurably(filepath.Join(r.dir, settings.ShippedFile), shipped, 0o644); err != nil {
		return err
	}
	if err := file.WriteFile(serverPath(r.dir), 0o600); err != nil {
		return err
	}
	return a.tellRestored(r, done, values.Server())
}

// leave makes the directory as empty as it was, for another try. Where the lock
// cannot be removed while it is held, the person is told that it is not.
func (r *restore) leave() {
	folder := filepath.Join(r.dir, settings.ServerFolder)
	_ = os.Remove(filepath.Join(folder, "LOCK"))
	_ = os.Remove(folder)
}

// summary is what --json prints.
type summary struct {
	cluster.Manifest
	InBackup    int            `json:"documents_in_backup"`
	Lost        int            `json:"documents_missing_in_backup"`
	Restored    bool           `json:"restored"`
	Missing     int            `json:"documents_missing"`
	Rules       []fax.DialRule `json:"dial_rules_removed"`
	Fingerprint string         `json:"fingerprint,omitempty"`
	Held        int            `json:"jobs_held"`
	Queued      int            `json:"jobs_queued"`
}

func (a *app) tellBackup(r restore, found cluster.Contents) error {
	m := found.Manifest
	if r.asJSON {
		return a.json(summary{Manifest: m, InBackup: found.Result.Documents, Lost: found.Result.Lost, Rules: []fax.DialRule{}})
	}
	a.say("the backup is whole and undamaged: cluster %s, made by node %s at %s", m.Cluster, m.Node, clock(m.Made))
	a.say("state at entry %d; activity record up to entry %d, whose chain value is\n  %s", m.Index, m.Activity, m.End)
	switch {
	case !m.Documents:
		a.say("made without documents")
	case found.Result.Lost > 0:
		a.say("%d documents; %d could not be had when it was made", found.Result.Documents, found.Result.Lost)
	default:
		a.say("%d documents, all that the state names", found.Result.Documents)
	}
	if m.Alone || m.Unagreed > 0 {
		a.say("node %s had %d records that the other nodes had not heard of; they are not in it", m.Node, m.Unagreed)
	}
	return nil
}

func (a *app) json(what any) error {
	e := json.NewEncoder(a.Out)
	e.SetIndent("", "  ")
	return e.Encode(what)
}

func (a *app) tellRestored(r restore, done cluster.Restored, server settings.Server) error {
	m := done.Contents.Manifest
	if r.asJSON {
		return a.json(summary{Manifest: m, InBackup: done.Contents.Result.Documents, Lost: done.Contents.Result.Lost, Restored: true, Missing: done.Missing,
			Rules: append([]fax.DialRule{}, done.Rules...), Fingerprint: done.Fingerprint, Held: done.Jobs.Held, Queued: done.Jobs.Queued})
	}
	a.say("cluster %s of %s is restored in %s, with %s as its only node", m.Cluster, clock(m.Made), r.dir, server.Name)
	a.say("its fingerprint is as it was:\n  %s", done.Fingerprint)
	a.say("%d documents are here", done.Documents)
	if done.Missing > 0 {
		a.say("%d documents are named by records and were not in the backup: those faxes have no pages any more", done.Missing)
	}
	a.say("jobs: %d held, %d waiting", done.Jobs.Held, done.Jobs.Queued)
	if done.Jobs.Held > 0 {
		a.say("held jobs may have been sent after the backup was made; see them with faxmesh status, then faxmesh resume ID or faxmesh cancel ID")
	}
	for _, rule := range done.Rules {
		a.say("removed a dial rule; when the node has joined again: faxmesh admin dialrule add %q %s", rule.Prefix, rule.Node)
	}
	a.say("\nstart it:\n  faxmeshd run --data %s", r.dir)
	a.say("\nadd further nodes with faxmeshd join; the token comes from: faxmesh admin token")
	return nil
}
