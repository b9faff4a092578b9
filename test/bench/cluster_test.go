package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/modem/tiff"
)

func TestDensePage(t *testing.T) {
	file, err := densePage()
	if err != nil {
		t.Fatal(err)
	}
	if len(file) < documentSize || len(file) > documentSize*11/10 {
		t.Errorf("it has %d octets, want about %d", len(file), documentSize)
	}
	doc, err := tiff.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil || doc.Len() != 1 {
		t.Errorf("it has not one page: %v", err)
	}
}

func TestPercentile(t *testing.T) {
	var times []time.Duration
	for n := range 20 {
		times = append(times, time.Duration(n+1))
	}
	for p, want := range map[int]time.Duration{50: 10, 95: 19, 99: 20, 100: 20, 1: 1} {
		if got := percentile(times, p); got != want {
			t.Errorf("p%d of 1 to 20 is %d, want %d", p, got, want)
		}
	}
}

func TestRate(t *testing.T) {
	var made atomic.Int64
	got, err := rate(t.Context(), 3, time.Millisecond, func(_ context.Context, client int) error {
		made.Add(int64(client + 1))
		return nil
	})
	if err != nil || got <= 0 || made.Load() == 0 {
		t.Errorf("%v a second, %v", got, err)
	}
	if _, err := rate(t.Context(), 2, time.Minute, func(context.Context, int) error { return errors.New("refused") }); err == nil {
		t.Error("a client that fails is not told")
	}
}

// TestRecords: the commands that make records are taken by a ledger.
func TestRecords(t *testing.T) {
	jobs, received := 0, 0
	for i := range 8 {
		for _, c := range recordOf(i) {
			if _, err := ledger.Encode(c); err != nil {
				t.Fatal(err)
			}
			switch c := c.(type) {
			case ledger.Finish:
				jobs++
				if c.State != fax.Done {
					t.Errorf("record %d is %s", i, c.State)
				}
			case ledger.Receive:
				received++
			}
		}
	}
	if jobs != 2 || received != 6 {
		t.Errorf("%d faxes sent and %d received, want 2 and 6", jobs, received)
	}
}

// TestRequested: what sendfax says becomes the number of a job.
func TestRequested(t *testing.T) {
	if id, err := requested([]byte("request id is 17 (group id 16) for host 127.0.0.1 (1 file)\n")); id != "17" || err != nil {
		t.Error(id, err)
	}
	if _, err := requested([]byte("425 Cannot create data socket\n")); err == nil || !strings.Contains(err.Error(), "425") {
		t.Error(err)
	}
}

// TestRateCounts: what is not taken is tried again and not counted; anything
// else ends the measurement.
func TestRateCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		perSecond, err := rate(t.Context(), 1, time.Second, func(context.Context, int) error {
			time.Sleep(400 * time.Millisecond)
			if tries++; tries < 3 {
				return errNotTaken
			}
			return nil
		})
		if err != nil || tries != 3 || perSecond != 1/1.2 {
			t.Errorf("%d tries, %.3f a second, %v", tries, perSecond, err)
		}
		for _, never := range []error{errNotTaken, io.ErrUnexpectedEOF} {
			if _, err := rate(t.Context(), 2, time.Second, func(context.Context, int) error {
				time.Sleep(time.Second)
				return never
			}); err == nil {
				t.Errorf("%v is no error", never)
			}
		}
	})
}

// TestHylaClient speaks with a server that answers as hfaxd does.
func TestHylaClient(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	data, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	heard := make(chan string, 1)
	go func() { heard <- playHfaxd(ln, data) }()
	c, err := dialHylaFAX(t.Context(), ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.submit(t.Context(), []byte("document")); err != nil {
		t.Fatal(err)
	}
	if len(c.jobs) != 1 || c.jobs[0] != "42" {
		t.Errorf("its jobs are %q", c.jobs)
	}
	c.conn.Close()
	got := <-heard
	for _, want := range []string{"STOT<document>", "JPARM DOCUMENT /tmp/doc7", "JSUBM"} {
		if !strings.Contains(got, want) {
			t.Errorf("the server has not heard %q:\n%s", want, got)
		}
	}
}

// playHfaxd answers one session and returns what it has heard.
func playHfaxd(ln, data net.Listener) (heard string) {
	c, err := ln.Accept()
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	port := data.Addr().(*net.TCPAddr).Port
	say := func(line string) { _, _ = io.WriteString(c, line+"\r\n") } // the client notices
	say("220 ready")
	for buffer := make([]byte, 1024); ; {
		n, err := c.Read(buffer)
		if err != nil {
			return heard
		}
		command := strings.TrimSpace(string(buffer[:n]))
		heard += command
		switch word, _, _ := strings.Cut(command, " "); word {
		case "PASV":
			say("227 Entering passive mode (127,0,0,1," + strconv.Itoa(port>>8) + "," + strconv.Itoa(port&255) + ")")
		case "STOT":
			say("150 FILE: /tmp/doc7 (Opening new data connection).")
			if d, err := data.Accept(); err == nil {
				content, _ := io.ReadAll(d)
				heard += "<" + string(content) + ">"
			}
			say("226 Transfer complete (FILE: /tmp/doc7).")
		case "JNEW":
			say("200 New job created: jobid: 42 groupid: 42.")
		case "JPARM":
			say("213 set.")
		default:
			say("200 done.")
		}
		heard += "\n"
	}
}

// TestClearJobs: the bench's jobs are taken away, those of others stay.
func TestClearJobs(t *testing.T) {
	spool := t.TempDir()
	files := map[string]bool{"sendq/q42": false, "docq/doc7.tif.42": false, "doneq/q43": false, "sendq/q421": true, "docq/doc42.tif": true, "docq/doc8.tif.142": true}
	for name := range files {
		if err := errors.Join(os.MkdirAll(filepath.Join(spool, filepath.Dir(name)), 0o700), os.WriteFile(filepath.Join(spool, name), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := clearJobs(spool, []string{"42", "43"}); err != nil {
		t.Fatal(err)
	}
	for name, stays := range files {
		if _, err := os.Stat(filepath.Join(spool, name)); (err == nil) != stays {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadClusterArguments(t *testing.T) {
	for _, args := range [][]string{{"-parts", "weather"}, {"-kills", "0"}, {"-slice", "0s"}, {"-records", "-1"}, {"more"}} {
		if _, err := measureCluster(args, io.Discard); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}
