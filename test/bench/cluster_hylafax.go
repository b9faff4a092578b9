package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/test/interop/lab"
)

// hfaxd is where HylaFAX's server listens. Its protocol is FTP's with commands
// for jobs.
const hfaxd = "127.0.0.1:4559"

// hylaRates is how many submits a second HylaFAX takes from some clients.
type hylaRates struct {
	sendfax float64 // each submit is a sendfax, as people and scripts do it
	hfaxd   float64 // from programs that speak hfaxd's protocol and stay connected
}

// hylafaxSubmits is what HylaFAX takes from each crowd.
func (b *clusterBench) hylafaxSubmits(ctx context.Context, document []byte) (rates [len(crowds)]hylaRates, err error) {
	file := filepath.Join(b.dir, "page.tif")
	if err := os.WriteFile(file, document, 0o600); err != nil {
		return rates, err
	}
	h, err := lab.StartHylaFAX(ctx)
	if err != nil {
		return rates, err
	}
	var jobs []string
	defer func() { err = errors.Join(err, h.Close(), clearJobs(hylaSpool, jobs)) }()
	for i, crowd := range crowds {
		var made []string
		rates[i].sendfax, made, err = b.sendfaxCrowd(ctx, crowd, file)
		if jobs = append(jobs, made...); err != nil {
			return rates, err
		}
		rates[i].hfaxd, made, err = b.hylafaxCrowd(ctx, crowd, document)
		if jobs = append(jobs, made...); err != nil {
			return rates, err
		}
	}
	return rates, nil
}

// sendfaxCrowd lets so many users run sendfax, each again and again. It returns
// the jobs as well.
func (b *clusterBench) sendfaxCrowd(ctx context.Context, crowd int, file string) (perSecond float64, jobs []string, err error) {
	var mu sync.Mutex
	refused := 0
	perSecond, err = rate(ctx, crowd, b.slice, func(ctx context.Context, client int) error {
		id, err := sendfax(ctx, hfaxd, fmt.Sprintf("0999%d", client), file)
		mu.Lock()
		defer mu.Unlock()
		jobs = append(jobs, id)
		if errors.Is(err, errNotTaken) {
			if refused++; refused*mostRefused <= max(len(jobs), mostRefused) {
				err = errNotTaken // alone: it is not counted
			} else {
				err = fmt.Errorf("%d of %d were refused: %v", refused, len(jobs), err)
			}
		}
		return err
	})
	if refused > 0 {
		fmt.Fprintf(b.out, "%2d clients: HylaFAX refused %d of %d sendfax; they do not count\n", crowd, refused, len(jobs))
	}
	return perSecond, slices.DeleteFunc(jobs, func(id string) bool { return id == "" }), err
}

// sendfax runs HylaFAX's own client, without a cover page and for tomorrow, and
// returns the number of the job.
func sendfax(ctx context.Context, addr, number, file string) (job string, err error) {
	ctx, cancel := context.WithTimeout(ctx, sendfaxTime)
	defer cancel()
	said, err := exec.CommandContext(ctx, "sendfax", "-h", addr, "-n", "-a", "now + 1 day", "-d", number, file).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %w\n%.1000s", errNotTaken, err, said)
	}
	return requested(said)
}

// mostRefused is the share of sendfax, one in so many, that HylaFAX may refuse:
// it loses a parameter of a job now and then when many come at once.
const mostRefused = 20

// sendfaxTime is the longest that one sendfax may take.
const sendfaxTime = 2 * time.Minute

var requestID = regexp.MustCompile(`request id is (\d+)`)

// requested is the number of the job that sendfax says it has made.
func requested(said []byte) (string, error) {
	id := requestID.FindSubmatch(said)
	if id == nil {
		return "", fmt.Errorf("sendfax names no job: %.1000q", said)
	}
	return string(id[1]), nil
}

// hylafaxCrowd lets so many clients that stay connected submit at once. It returns the jobs as well.
func (b *clusterBench) hylafaxCrowd(ctx context.Context, crowd int, document []byte) (perSecond float64, jobs []string, err error) {
	var clients []*hylaClient
	defer func() {
		for _, c := range clients {
			c.conn.Close()
			jobs = append(jobs, c.jobs...)
		}
	}()
	for range crowd {
		c, err := dialHylaFAX(ctx, hfaxd)
		if err != nil {
			return 0, nil, err
		}
		clients = append(clients, c)
	}
	perSecond, err = rate(ctx, crowd, b.slice, func(ctx context.Context, client int) error {
		return clients[client].submit(ctx, document)
	})
	return perSecond, nil, err
}

// hylaClient is a session with hfaxd.
type hylaClient struct {
	conn *textproto.Conn
	jobs []string
}

func dialHylaFAX(ctx context.Context, addr string) (*hylaClient, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &hylaClient{conn: textproto.NewConn(raw)}
	if _, _, err := c.conn.ReadResponse(220); err != nil {
		return nil, errors.Join(err, c.conn.Close())
	}
	for _, command := range []string{"USER root", "TYPE I", "MODE S", "STRU F", "FORM TIFF"} {
		if _, err := c.ask(2, "%s", command); err != nil {
			return nil, errors.Join(err, c.conn.Close())
		}
	}
	return c, nil
}

// ask sends a command and reads the answer, which must begin with code.
func (c *hylaClient) ask(code int, command string, args ...any) (string, error) {
	if err := c.conn.PrintfLine(command, args...); err != nil {
		return "", err
	}
	_, text, err := c.conn.ReadResponse(code)
	if err != nil {
		return "", fmt.Errorf("%s: %w", fmt.Sprintf(command, args...), err)
	}
	return text, nil
}

var (
	passive = regexp.MustCompile(`\((\d+),(\d+),(\d+),(\d+),(\d+),(\d+)\)`)
	stored  = regexp.MustCompile(`FILE: (\S+?)\.? \(`)
	created = regexp.MustCompile(`jobid: (\d+)`)
)

// submit hands a document in and makes it a job for a later time, as sendfax
// does.
func (c *hylaClient) submit(ctx context.Context, document []byte) error {
	file, err := c.store(ctx, document)
	if err != nil {
		return err
	}
	text, err := c.ask(200, "JNEW")
	if err != nil {
		return err
	}
	id := created.FindStringSubmatch(text)
	if id == nil {
		return fmt.Errorf("JNEW: %q", text)
	}
	c.jobs = append(c.jobs, id[1])
	later := time.Now().Add(24 * time.Hour).Format("200601021504")
	for _, parameter := range []string{`FROMUSER "bench"`, "SENDTIME " + later, "LASTTIME 000300", "MAXDIALS 12", "MAXTRIES 3",
		"SCHEDPRI 127", `DIALSTRING "0999"`, `NOTIFYADDR "root@localhost"`, "VRES 196", "PAGEWIDTH 209", "PAGELENGTH 296",
		`NOTIFY "none"`, `PAGECHOP "default"`, "CHOPTHRESHOLD 3", "DOCUMENT " + file} {
		if _, err := c.ask(2, "%s", "JPARM "+parameter); err != nil {
			return fmt.Errorf("%s: %w", parameter, err)
		}
	}
	_, err = c.ask(200, "JSUBM")
	return err
}

// store sends a document and returns the name under which the server has it.
func (c *hylaClient) store(ctx context.Context, document []byte) (string, error) {
	text, err := c.ask(227, "PASV")
	if err != nil {
		return "", err
	}
	at := passive.FindStringSubmatch(text)
	if at == nil {
		return "", fmt.Errorf("PASV: %q", text)
	}
	var high, low int
	if _, err := fmt.Sscan(at[5]+" "+at[6], &high, &low); err != nil {
		return "", err
	}
	data, err := new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", high<<8|low))
	if err != nil {
		return "", err
	}
	defer data.Close()
	if text, err = c.ask(150, "STOT"); err != nil {
		return "", err
	}
	file := stored.FindStringSubmatch(text)
	if file == nil {
		return "", fmt.Errorf("STOT: %q", text)
	}
	if _, err := io.Copy(data, bytes.NewReader(document)); err != nil {
		return "", err
	}
	if err := data.Close(); err != nil {
		return "", err
	}
	_, _, err = c.conn.ReadResponse(226)
	return file[1], err
}

// hylaSpool is where Debian's HylaFAX keeps jobs and documents.
const hylaSpool = "/var/spool/hylafax"

// clearJobs takes jobs out of the queues of a HylaFAX that has been stopped.
func clearJobs(spool string, jobs []string) error {
	var errs []error
	for _, id := range jobs {
		for _, pattern := range []string{"sendq/q" + id, "doneq/q" + id, "docq/doc*." + id, "tmp/doc*." + id} {
			names, err := filepath.Glob(filepath.Join(spool, pattern))
			errs = append(errs, err)
			for _, name := range names {
				errs = append(errs, os.Remove(name))
			}
		}
	}
	return errors.Join(errs...)
}
