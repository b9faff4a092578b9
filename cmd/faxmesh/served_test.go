package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/faxmesh/faxmesh/clientlib/clienttest"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/modem/tiff"
)

// patience is how long the desk waits for a command that runs beside it.
const patience = 20 * time.Second

// TestServed types commands against two servers, $NORTH and $SOUTH, whose desk
// does what the script says. Accounts are admin and reception, both with the
// password in the file pw.
func TestServed(t *testing.T) {
	scripts, err := filepath.Glob("testdata/served/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, script := range scripts {
		t.Run(filepath.Base(script), func(t *testing.T) {
			s := stage{t: t, cluster: clienttest.Start(t, "north", "south")}
			s.cluster.Desk.AddPerson("admin", "correct horse", fax.Administrator)
			s.cluster.Desk.AddPerson("reception", "correct horse", fax.Individual)
			testscript.Run(t, testscript.Params{
				Files:               []string{script},
				RequireExplicitExec: true,
				Setup: func(env *testscript.Env) error {
					env.Setenv("FAXMESH_HOME", env.WorkDir+"/profile")
					env.Setenv("TZ", "UTC")
					env.Setenv("GORACE", "atexit_sleep_ms=0") // a second for each command, under the race detector
					env.Setenv("NORTH", s.cluster.Server("north").Addr)
					env.Setenv("SOUTH", s.cluster.Server("south").Addr)
					return os.WriteFile(filepath.Join(env.WorkDir, "pw"), []byte("correct horse\n"), 0o600)
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"status": cmdStatus, "stop": s.stop, "finish": s.finish, "receive": s.receive, "callback": s.callback, "publish": s.publish,
				},
			})
		})
	}
}

// stage is the servers behind one script.
type stage struct {
	t       *testing.T
	cluster *clienttest.Cluster
}

// stop stops a server: stop NAME.
func (s *stage) stop(ts *testscript.TestScript, _ bool, args []string) {
	s.cluster.Server(args[0]).Stop()
}

// finish waits for a queued fax and ends it: finish SESSION ACCOUNT STATE.
func (s *stage) finish(ts *testscript.TestScript, _ bool, args []string) {
	desk := s.cluster.Desk
	session := fax.Session{ID: args[0], Account: args[1]}
	job := s.await(ts, session)
	job.State, job.Confirmed, job.Fax.Pages = fax.State(args[2]), 2, 2
	job.Last = &fax.Attempt{Number: 1, Node: "south", Line: "line1", Remote: "WEST"}
	kind := fax.EventSent
	if job.State != fax.Done {
		kind, job.Reason, job.Confirmed = fax.EventFailed, "The number is busy.", 1
	}
	event := fax.Event{Account: session.Account, Fax: job.ID, Node: "south", Number: job.Number, Page: 1, Pages: 2}
	for _, event.Kind = range []fax.EventKind{fax.EventDialing, fax.EventPage} {
		desk.Publish(event)
	}
	desk.PutJob(job, []byte("pages"))
	event.Kind = kind
	desk.Publish(event)
}

// await returns the first queued fax, waiting for one.
func (s *stage) await(ts *testscript.TestScript, session fax.Session) (found fax.Job) {
	s.until(ts, "a fax is submitted", func() bool {
		jobs, err := s.cluster.Desk.Jobs(s.t.Context(), session, fax.JobFilter{})
		ts.Check(err)
		i := slices.IndexFunc(jobs, func(j fax.Job) bool { return j.State == fax.Queued })
		if i >= 0 {
			found = jobs[i]
		}
		return i >= 0
	})
	return found
}

// until asks again and again: what it waits for is done by another process.
func (s *stage) until(ts *testscript.TestScript, what string, done func() bool) {
	every := time.NewTicker(10 * time.Millisecond)
	defer every.Stop()
	late := time.After(patience)
	for !done() {
		select {
		case <-every.C:
		case <-late:
			ts.Fatalf("waited in vain until %s", what)
		}
	}
}

// receive files a received fax of two pages: receive ID ACCOUNT.
func (s *stage) receive(ts *testscript.TestScript, _ bool, args []string) {
	var b bytes.Buffer
	w := tiff.NewWriter(&b, tiff.Options{})
	for range 2 {
		ts.Check(w.WritePage(t4.NewBitmap(1728, 100), t4.Fine))
	}
	ts.Check(w.Close())
	s.cluster.Desk.PutReceived(fax.ReceivedFax{
		ID: args[0], Node: "south", Line: "line1", Called: "0401", Remote: "NORTH\x1b[2J", Fax: fax.Document{Pages: 2}, At: 1, Assigned: args[1:],
	}, b.Bytes())
}

// publish tells an event over the connections of an account: publish ACCOUNT FAX.
func (s *stage) publish(ts *testscript.TestScript, _ bool, args []string) {
	s.cluster.Desk.Publish(received(args[0], args[1]))
}

func received(account, id string) fax.Event {
	return fax.Event{Account: account, Kind: fax.EventReceived, Fax: id, Node: "south", Number: "0301", Pages: 2}
}

// callback tells an event to a session's notification port, waiting for that:
// callback SESSION ACCOUNT FAX.
func (s *stage) callback(ts *testscript.TestScript, _ bool, args []string) {
	desk := s.cluster.Desk
	s.until(ts, "the session has a notification port and has asked for what it missed", func() bool {
		_, _, ok := desk.Callback(args[0])
		return ok && desk.Asked(args[0])
	})
	event := desk.Record(received(args[1], args[2]))
	session := fax.Session{ID: args[0], Secret: "secret-" + args[0]}
	// The client may not have the answer to its login yet, and so not know the
	// secret.
	s.until(ts, "the notification is taken", func() bool {
		seqs, err := s.cluster.Server("south").Tell(s.t.Context(), desk, session, event)
		return err == nil && len(seqs) == 1
	})
}
