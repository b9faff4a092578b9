package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/tiff"
)

// HylaLostRows is how many rows at the end of a page HylaFAX leaves out as a
// sender, where it has to convert the file to the coding of the call.
const HylaLostRows = 1

// HylaLine is a line that HylaFAX has. Its daemon for incoming calls runs from
// the first Listen on; a line that has none only sends.
type HylaLine struct {
	fax    *HylaFAX
	device string // as "ttyA1"
	dir    string
	sends  bool
	getty  *program
}

var _ Station = (*HylaLine)(nil)

// Line gives HylaFAX a terminal; dir is for the files that it is to send.
func (h *HylaFAX) Line(terminal, dir string) (*HylaLine, error) {
	h.mu.Lock()
	h.lines++
	l := &HylaLine{fax: h, device: fmt.Sprint("ttyA", h.lines), dir: dir}
	h.mu.Unlock()
	return l, h.files.link(terminal, "/dev/"+l.device)
}

var (
	requestID = regexp.MustCompile(`request id is (\d+)`)
	spooled   = regexp.MustCompile(`docq/doc[0-9A-Za-z.;]+`) // a job's documents
)

// Send implements Station.
func (l *HylaLine) Send(ctx context.Context, number string, d Document, m Mode) (Sent, error) {
	if err := l.fax.write("config."+l.device, configFor(l.device, m)); err != nil {
		return Sent{}, err
	}
	if !l.sends {
		if _, err := run(ctx, hylaBin+"/faxmodem", l.device); err != nil {
			return Sent{}, err
		}
		l.sends = true
	}
	name := filepath.Join(l.dir, l.device+".tif")
	if err := writeTIFF(name, d, tiff.Group4); err != nil {
		return Sent{}, err
	}
	said, err := run(ctx, "sendfax", "-n", "-N", "-t", "1", "-T", "1", "-m", "-s", "a4", "-h", l.device+"@127.0.0.1", "-d", number, name)
	if err != nil {
		return Sent{}, err
	}
	id := requestID.FindStringSubmatch(said)
	if id == nil {
		return Sent{}, fmt.Errorf("sendfax said %q", oneLine(said))
	}
	done := filepath.Join(hylaSpool, "doneq", "q"+id[1])
	err = until(ctx, "HylaFAX's job "+id[1]+" was done", func() (bool, error) { return !gone(done), nil })
	if err != nil {
		run(context.WithoutCancel(ctx), "faxrm", "-h", "127.0.0.1", id[1])
		return Sent{}, err
	}
	text, err := os.ReadFile(done)
	if err != nil {
		return Sent{}, err
	}
	os.Remove(done)
	for _, document := range spooled.FindAllString(string(text), -1) {
		os.Remove(filepath.Join(hylaSpool, document)) // they are the lab's own
	}
	return readJob(string(text)), nil
}

// readJob reads the file of a job that is done.
func readJob(text string) Sent {
	job := map[string]string{}
	for _, row := range strings.Split(text, "\n") {
		if key, value, ok := strings.Cut(row, ":"); ok {
			job[key] = value
		}
	}
	const done = "7" // against failed
	s := Sent{OK: job["state"] == done, Why: oneLine(job["status"]), Log: sessionLog(job["commid"])}
	s.Pages, _ = strconv.Atoi(job["npages"])
	s.Mode = spoken(s.Log)
	return s
}

// sessionLog is HylaFAX's own log of a call.
func sessionLog(id string) string {
	if id == "" {
		return ""
	}
	text, err := os.ReadFile(filepath.Join(hylaSpool, "log", "c"+id))
	if err != nil {
		return ""
	}
	return string(text)
}

// spoken finds the last mode that a session log names.
func spoken(log string) Mode {
	var m Mode
	for _, row := range strings.Split(log, "\n") {
		if !strings.Contains(row, "USE ") {
			continue
		}
		switch {
		case strings.Contains(row, "2-D MMR"):
			m.Coding = "MMR"
		case strings.Contains(row, "2-D MR"):
			m.Coding = "MR"
		case strings.Contains(row, "1-D M"):
			m.Coding = "MH"
		case strings.Contains(row, "error correction"):
			m.ECM = !strings.Contains(row, "no error correction")
		case strings.Contains(row, "bit/s"):
			m.Rate = rateOf(row)
		}
	}
	if m.Coding == "MMR" {
		m.ECM = true
	}
	return m
}

// rateOf finds the rate in words as "USE 14400 bit/s".
func rateOf(words string) line.Rate {
	for _, r := range []line.Rate{line.V17x14400, line.V17x12000, line.V29x9600, line.V29x7200, line.V27ter4800, line.V27ter2400} {
		if strings.Contains(words, fmt.Sprint(r.BitsPerSecond(), " bit/s")) {
			return r
		}
	}
	return line.V21
}

// status is where faxgetty writes what it does.
func (l *HylaLine) status() string { return filepath.Join(hylaSpool, "status", l.device) }

// Listen implements Station.
func (l *HylaLine) Listen(ctx context.Context) (Reception, error) {
	if l.getty == nil {
		mode := Mode{ECM: true, Coding: "MMR", Rate: line.V17x14400}
		if err := l.fax.write("config."+l.device, configFor(l.device, mode)); err != nil {
			return nil, err
		}
		// One of an earlier run would say at once that the line is idle.
		if err := os.Remove(l.status()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		var err error
		if l.getty, err = start(hylaSpool, "/usr/sbin/faxgetty", l.device); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, initTime)
	defer cancel()
	err := until(ctx, "faxgetty is idle on "+l.device, func() (bool, error) {
		select {
		case <-l.getty.ended:
			return false, fmt.Errorf("faxgetty has ended: %w %s", errors.Join(l.getty.err), oneLine(l.getty.said.String()))
		default:
		}
		text, err := os.ReadFile(l.status())
		return err == nil && bytes.Contains(text, []byte("Running and idle")), nil
	})
	if err != nil {
		return nil, err
	}
	size, err := logSize()
	return &hylaReception{line: l, from: size}, err
}

const transferLog = hylaSpool + "/log/xferfaxlog"

func logSize() (int64, error) {
	info, err := os.Stat(transferLog)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// hylaReception is a call that HylaFAX takes.
type hylaReception struct {
	line *HylaLine
	from int64 // where its records begin in the log of transfers

	files []string // what it has received
}

// Wait implements Reception. HylaFAX writes a record for each document, then
// one for the call.
func (r *hylaReception) Wait(ctx context.Context) (Received, error) {
	var got Received
	err := until(ctx, "HylaFAX's call on "+r.line.device+" was over", func() (bool, error) {
		text, err := os.ReadFile(transferLog)
		if err != nil || int64(len(text)) < r.from {
			return false, nil
		}
		var over bool
		got, over = r.read(string(text[r.from:]))
		return over, nil
	})
	if err != nil {
		return Received{}, err
	}
	for _, name := range r.files { // they are the lab's own
		os.Remove(name)
	}
	return got, nil
}

// read reads the records since the line was ready.
func (r *hylaReception) read(records string) (got Received, over bool) {
	got.OK, r.files = true, nil
	unread := ""
	for _, record := range strings.Split(records, "\n") {
		field := strings.Split(record, "\t")
		if len(field) < 14 || field[3] != r.line.device {
			continue
		}
		got.Log = sessionLog(field[2])
		if reason := strings.Trim(field[13], `"`); reason != "" {
			got.OK, got.Why = false, oneLine(reason)
		}
		switch field[1] {
		case "RECV":
			name := filepath.Join(hylaSpool, "recvq", filepath.Base(strings.Trim(field[4], `"`)))
			pages, err := ReadTIFF(name)
			got.Pages = append(got.Pages, pages...)
			if err != nil {
				got.OK, unread = false, oneLine(err.Error())
				continue // the file stays there to be looked at
			}
			r.files = append(r.files, name)
		case "CALL":
			over = true
		}
	}
	if len(got.Pages) == 0 {
		got.OK = false
	}
	got.Why = strings.TrimSpace(got.Why + " " + unread)
	return got, over
}

// Cancel implements Reception: faxgetty goes on waiting.
func (r *hylaReception) Cancel() {}

// Close takes the line from HylaFAX.
func (l *HylaLine) Close() error {
	if l.getty != nil {
		l.getty.stop()
		l.getty = nil
	}
	os.Remove(l.status())
	os.Remove("/var/lock/LCK.." + l.device) // killed, it leaves its lock
	return nil
}
