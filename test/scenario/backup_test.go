//go:build linux

package scenario

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/modem/t4"
)

// TestBackup: three nodes send and receive, are backed up and destroyed; from
// the file alone the cluster comes back, with every fax, and the activity record
// goes on where an export from before ends.
func TestBackup(t *testing.T) {
	t.Parallel()
	s := begin(t)
	l, south := s.sender.lab, s.sender
	job := s.sent(t)
	waits := s.waiting(t)
	before := s.everything(t)
	if len(before) != 2 {
		t.Fatalf("%d faxes were sent and received, want 2", len(before))
	}
	phrase := l.file(t, "phrase", []byte("correct horse battery staple\n"))
	wrong := l.file(t, "wrong", []byte("another passphrase\n"))
	l.done(t, "faxmesh", "login", "admin@"+south.clients, "--password-file", "admin.pw")
	l.done(t, "faxmesh", "admin", "activity", "--export", "older.jsonl")
	l.done(t, "faxmesh", "logout")

	l.done(t, "faxmeshd", "backup", "--data", "south", "--passphrase-file", phrase, "state.backup", "--no-documents")
	var made struct{ Documents, Lost int }
	if err := json.Unmarshal([]byte(l.done(t, "faxmeshd", "backup", "--data", "south", "--passphrase-file", phrase, "--json", "whole.backup")), &made); err != nil {
		t.Fatal(err)
	}
	if made.Documents < 4 || made.Lost != 0 { // two texts, the pages of each; those received may be the same
		t.Errorf("the backup has %d documents, %d are missing", made.Documents, made.Lost)
	}
	l.refused(t, nil, 1, []string{"is there already"}, "faxmeshd", "backup", "--data", "south", "--passphrase-file", phrase, "whole.backup")

	for _, n := range []*node{s.north, s.sender, s.receiver} {
		n.proc.kill()
	}
	for _, name := range []string{"north", "south", "west"} {
		if err := os.Rename(l.path(name), l.path("lost-"+name)); err != nil {
			t.Fatal(err)
		}
	}
	l.damagedBackups(t, phrase, wrong)
	l.done(t, "faxmeshd", "restore", "--check", "--passphrase-file", phrase, "whole.backup")
	var restored struct {
		Missing int
		Held    int            `json:"jobs_held"`
		Rules   []fax.DialRule `json:"dial_rules_removed"`
	}
	if err := json.Unmarshal([]byte(l.done(t, "faxmeshd", "restore", "--data", "south", "--passphrase-file", phrase, "--json", "whole.backup")), &restored); err != nil {
		t.Fatal(err)
	}
	if restored.Held != 1 || restored.Missing != 0 || len(restored.Rules) != 0 {
		t.Errorf("the restore has left %+v", restored)
	}
	south.run(t)
	s.client = south.login(t, "admin", adminPassword)
	for id, want := range before {
		if got := s.pages(t, id); !slices.EqualFunc(got, want, samePage) {
			t.Errorf("fax %s has %d pages after the restore, which are not the %d from before", id, len(got), len(want))
		}
	}
	ctx, cancel := asking(t)
	defer cancel()
	if j, err := s.client.Job(ctx, job); err != nil || j.State != fax.Done {
		t.Errorf("the fax that was sent is %s after the restore, %v", j.State, err)
	}
	if j, err := s.client.Job(ctx, waits); err != nil || j.State != fax.Held || !strings.Contains(j.Reason, "it may have been sent after the backup") {
		t.Errorf("the fax that waited is %s after the restore: %q, %v", j.State, j.Reason, err)
	}
	l.done(t, "faxmesh", "login", "admin@"+south.clients, "--password-file", "admin.pw")
	l.done(t, "faxmesh", "admin", "activity", "--export", "newer.jsonl")
	l.done(t, "faxmesh", "admin", "activity", "verify", "older.jsonl", "newer.jsonl", "--fingerprint", s.client.Fingerprint())

	// A node of before is none any more; a new one joins, and gets what there is.
	if err := os.Rename(l.path("lost-west"), l.path("west")); err != nil {
		t.Fatal(err)
	}
	mark := south.proc.said.mark()
	west := start(t, l.dir, "faxmeshd", "run", "--data", "west")
	south.proc.said.await(t, mark, `msg="a connection was refused"`, readyTime)
	if members := l.done(t, "faxmeshd", "status", "--data", "south"); strings.Contains(members, "west") {
		t.Errorf("a node of before is a member again:\n%s", members)
	}
	west.kill()
	token, err := s.client.NewToken(ctx, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	l.file(t, "token", []byte(token+"\n"))
	east := l.join(t, south, "east", 3)
	s.client = east.login(t, "admin", adminPassword)
	for id, want := range before {
		if got := s.pages(t, id); !slices.EqualFunc(got, want, samePage) {
			t.Errorf("fax %s has %d pages at a node that has joined, want %d", id, len(got), len(want))
		}
	}
}

// sent sends a short letter, and returns when it has arrived.
func (s *story) sent(t *testing.T) (id string) {
	t.Helper()
	ctx, cancel := asking(t)
	defer cancel()
	text := []byte("a letter\n")
	job, err := s.client.Submit(ctx, fax.Order{Number: "0401", Title: "letter.txt"}, bytes.NewReader(text), int64(len(text)), nil)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the letter is sent", sentTime, func() bool {
		ctx, cancel := asking(t)
		defer cancel()
		j, err := s.client.Job(ctx, job.ID)
		return err == nil && j.State == fax.Done
	})
	until(t, "the letter is in the inbox", sentTime, func() bool { return len(s.inbox(t)) == 1 })
	return job.ID
}

// waiting hands in a letter that is not to be sent before tomorrow.
func (s *story) waiting(t *testing.T) (id string) {
	t.Helper()
	ctx, cancel := asking(t)
	defer cancel()
	text := []byte("another letter\n")
	job, err := s.client.Submit(ctx, fax.Order{Number: "0401", Title: "later.txt", NotBefore: 1 << 43}, bytes.NewReader(text), int64(len(text)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return job.ID
}

// everything is the pages of all faxes that were sent and received.
func (s *story) everything(t *testing.T) map[string][]*t4.Bitmap {
	t.Helper()
	ctx, cancel := asking(t)
	defer cancel()
	all := map[string][]*t4.Bitmap{}
	for _, f := range s.inbox(t) {
		all[f.ID] = s.pages(t, f.ID)
	}
	jobs, err := s.client.Jobs(ctx, fax.JobFilter{Drawer: fax.Sent})
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		all[j.ID] = s.pages(t, j.ID)
	}
	return all
}

// damagedBackups are refused, and leave nothing behind.
func (l *lab) damagedBackups(t *testing.T, phrase, wrong string) {
	t.Helper()
	whole, err := os.ReadFile(l.path("whole.backup"))
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(whole)
	damaged[len(damaged)/2] ^= 1
	l.file(t, "damaged.backup", damaged)
	l.file(t, "cut.backup", whole[:len(whole)-100])
	for _, c := range []struct{ phrase, file, says string }{
		{wrong, "whole.backup", "the passphrase is wrong"},
		{phrase, "damaged.backup", "the backup is damaged"},
		{phrase, "cut.backup", "the backup is cut off"},
		{phrase, "phrase", "this is not a backup of faxmesh"},
	} {
		l.refused(t, nil, 1, []string{c.says}, "faxmeshd", "restore", "--data", "nothing", "--passphrase-file", c.phrase, c.file)
		if _, err := os.Stat(l.path("nothing")); err == nil {
			t.Errorf("a restore that says %q has left something", c.says)
		}
	}
}
