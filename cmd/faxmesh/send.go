package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

// maxTargets is how many faxes one send may make.
const maxTargets = 256

// sending is what send was asked to do.
type sending struct {
	numbers []string
	files   []string
	title   string
	at      string
	wait    bool
	json    bool
}

func (a *app) sendCommand() *cobra.Command {
	var s sending
	cmd := &cobra.Command{
		Use:   "send NUMBER FILE...",
		Short: "Send documents",
		Long: `Send documents: TIFF, PNG, JPEG and plain text. "-" is standard input.

Each FILE to each NUMBER is a fax of its own. With -d, which may be repeated,
all arguments are files, as for sendfax.

The command ends when the cluster has the fax safe; the fax is sent whether or
not this program runs. With --wait it stays until the fax is sent (status 0) or
is not (status 4).`,
		Example: `  faxmesh send "+45 33 12 34 56" referral.tif
  faxmesh send 0301 letter.txt --wait
  faxmesh send -d 0301 -d 0302 --at 18:00 notice.png
  date | faxmesh send 0301 - --title "the time"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.arguments(args); err != nil {
				return err
			}
			return a.send(cmd.Context(), s)
		},
	}
	cmd.Flags().StringArrayVarP(&s.numbers, "dest", "d", nil, "number to send to (may be repeated)")
	cmd.Flags().StringVar(&s.title, "title", "", "title of the fax (default: name of the file)")
	cmd.Flags().StringVar(&s.at, "at", "", `not before this time: 18:00, "2006-01-02 18:00", +30m`)
	cmd.Flags().BoolVar(&s.wait, "wait", false, "wait until it is sent or has failed")
	cmd.Flags().BoolVar(&s.json, "json", false, "print the faxes as JSON lines")
	return cmd
}

// arguments tells numbers from files, and looks at both before anything is sent.
func (s *sending) arguments(args []string) error {
	if len(s.numbers) == 0 && len(args) > 0 {
		s.numbers, args = args[:1], args[1:]
	}
	if len(s.numbers) == 0 || len(args) == 0 {
		return terminal.Usagef("name a number and a file: faxmesh send NUMBER FILE")
	}
	s.files = args
	if n := len(s.numbers) * len(s.files); n > maxTargets {
		return terminal.Usagef("that makes %d faxes; at most %d can be sent at once", n, maxTargets)
	}
	for _, number := range s.numbers {
		if err := fax.CheckNumber(number); err != nil {
			return &terminal.Error{Status: terminal.Usage, Err: err}
		}
	}
	if len(s.title) > fax.MaxTitle {
		return terminal.Usagef("the title is %d octets long; at most %d are allowed", len(s.title), fax.MaxTitle)
	}
	return nil
}

func (a *app) send(ctx context.Context, s sending) error {
	var notBefore fax.Millis
	if s.at != "" {
		at, err := parseWhen(s.at, time.Now())
		if err != nil {
			return err
		}
		notBefore = fax.At(at)
	}
	documents, err := a.openAll(s.files)
	if err != nil {
		return err
	}
	return a.with(ctx, func(c *clientlib.Client) error {
		var jobs []fax.Job
		for _, d := range documents {
			for _, number := range s.numbers {
				title := s.title
				if title == "" {
					title = d.title
				}
				job, err := a.submit(ctx, c, d, fax.Order{ID: clientlib.NewID(), Number: number, Title: title, NotBefore: notBefore})
				if err != nil {
					return fmt.Errorf("send %s to %s: %w", d.name, number, err)
				}
				jobs = append(jobs, job)
				if err := a.submitted(job, s); err != nil {
					return err
				}
			}
		}
		if !s.wait {
			return nil
		}
		return a.follow(ctx, c, jobs, s.json)
	})
}

func (a *app) submitted(job fax.Job, s sending) error {
	if s.json && !s.wait {
		return a.jsonLine(job)
	}
	if s.json {
		return nil
	}
	when := ""
	if job.NotBefore > fax.At(time.Now()) {
		when = ", not before " + moment(job.NotBefore)
	}
	if job.Alone != "" {
		when += "\n  accepted by " + clean(job.Alone) + " alone, which is cut off from the other servers; it sends the fax, and tells them when the link is back"
	}
	_, err := fmt.Fprintf(a.Out, "fax %s to %s is %s at %s, %s%s\n", job.ID, clean(job.Number), job.State, job.Home, pages(job.Fax.Pages), when)
	return err
}

// document is a file that can be read again for each number.
type document struct {
	name, title string
	size        int64
	open        func() (io.ReadSeekCloser, error)
}

// inMemory is standard input, read.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// openAll looks at every file before the first is sent: a typing error in the
// third name must not send two faxes.
func (a *app) openAll(names []string) ([]document, error) {
	var all []document
	for _, name := range names {
		d, err := a.document(name)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

func (a *app) document(name string) (document, error) {
	if name == "-" {
		data, err := io.ReadAll(io.LimitReader(a.In, wire.MaxDocument+1))
		if err != nil {
			return document{}, fmt.Errorf("read standard input: %w", err)
		}
		return a.checked(document{
			name: "standard input", title: "standard input", size: int64(len(data)),
			open: func() (io.ReadSeekCloser, error) { return inMemory{bytes.NewReader(data)}, nil },
		})
	}
	info, err := os.Stat(name)
	if err != nil {
		return document{}, err
	}
	if !info.Mode().IsRegular() {
		return document{}, fmt.Errorf("%s is not a file; use - for standard input", name)
	}
	title := clean(filepath.Base(name))
	title = strings.ToValidUTF8(title[:min(len(title), fax.MaxTitle)], "") // the cut may hit a character
	return a.checked(document{
		name: name, title: title, size: info.Size(),
		open: func() (io.ReadSeekCloser, error) { return os.Open(name) },
	})
}

func (a *app) checked(d document) (document, error) {
	switch {
	case d.size == 0:
		return d, fmt.Errorf("%s is empty; there is nothing to send", d.name)
	case d.size > wire.MaxDocument:
		return d, fmt.Errorf("%s has %s; a document may have at most %s", d.name, octets(d.size), octets(wire.MaxDocument))
	}
	return d, nil
}

func (a *app) submit(ctx context.Context, c *clientlib.Client, d document, order fax.Order) (fax.Job, error) {
	r, err := d.open()
	if err != nil {
		return fax.Job{}, err
	}
	defer r.Close()
	live := a.newLive()
	defer live.clear()
	job, err := c.Submit(ctx, order, r, d.size, func(sent int64) {
		live.show(fmt.Sprintf("uploading %s: %d%%", d.name, sent*100/d.size))
		if sent == d.size {
			live.show(fmt.Sprintf("%s is uploaded; it is converted and copied", d.name))
		}
	})
	return job, err
}
