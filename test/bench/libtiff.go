package main

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/faxmesh/faxmesh/modem/t4"
)

//go:embed libtiffbench/libtiffbench.c
var libtiffSource []byte

// libtiff is a process that times libtiff's codecs on request.
type libtiff struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *bufio.Reader
}

// startLibtiff builds the C program in dir, a temporary directory, and runs it.
func startLibtiff(dir string) (*libtiff, error) {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		return nil, fmt.Errorf("libtiff is measured by a C program, and there is no compiler; install gcc: %w", err)
	}
	source, program := filepath.Join(dir, "libtiffbench.c"), filepath.Join(dir, "libtiffbench")
	if err := os.WriteFile(source, libtiffSource, 0o600); err != nil {
		return nil, err
	}
	if said, err := exec.Command(gcc, "-O2", "-o", program, source, "-ltiff").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("libtiff's program cannot be built; install libtiff-dev: %w\n%s", err, said)
	}
	l := &libtiff{cmd: exec.Command(program)}
	l.cmd.Stderr = os.Stderr
	if l.in, err = l.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	answers, err := l.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	l.answers = bufio.NewReader(answers)
	if err := l.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start libtiff's program: %w", err)
	}
	return l, nil
}

// Close ends the process.
func (l *libtiff) Close() error {
	return errors.Join(l.in.Close(), l.cmd.Wait())
}

// time has libtiff repeat a deed on a page for so long and returns the mean
// time of one, and the octets of the coded page.
func (l *libtiff) time(coding, deed string, page *t4.Bitmap, slice time.Duration) (time.Duration, int, error) {
	_, err := fmt.Fprintf(l.in, "%s %s %d %d %d\n", coding, deed, page.Width, page.Height, slice.Milliseconds())
	if err == nil {
		_, err = l.in.Write(page.Pix)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("ask libtiff: %w", err)
	}
	answer, err := l.answers.ReadString('\n')
	if err != nil {
		return 0, 0, fmt.Errorf("libtiff's program has ended: %w", err)
	}
	var ns int64
	var octets int
	if _, err := fmt.Sscanf(answer, "ok %d %d", &ns, &octets); err != nil || ns <= 0 {
		return 0, 0, fmt.Errorf("libtiff cannot %s %s: %s", deed, coding, answer)
	}
	return time.Duration(ns), octets, nil
}
