// Package terminal is the person's side of a command: its streams, its
// questions, its exit status.
package terminal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// MaxPassword is the longest password taken, in octets.
const MaxPassword = 1024

// The exit statuses of both programs. Further ones are in their --help.
const (
	OK      = 0
	Failure = 1 // it was tried and did not work
	Usage   = 2 // the command line makes no sense
	NoLogin = 3 // not logged in, or the login is refused
)

// Error is an error that ends the program with a status of its own.
type Error struct {
	Status int
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Usagef is an error about the command line.
func Usagef(format string, args ...any) error {
	return &Error{Status: Usage, Err: fmt.Errorf(format, args...)}
}

// Status is the exit status for an error.
func Status(err error) int {
	var own *Error
	var told *fax.Error
	switch {
	case err == nil:
		return OK
	case errors.As(err, &own):
		return own.Status
	case errors.As(err, &told) && told.Kind == fax.BadLogin:
		return NoLogin
	}
	return Failure
}

// Terminal is where a command reads and writes.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
}

// System is the process's own.
func System() Terminal { return Terminal{In: os.Stdin, Out: os.Stdout, Err: os.Stderr} }

// Lively reports whether a person looks at Out, so that a line may be drawn
// over. TERM=dumb cannot.
func (t Terminal) Lively() bool { return isTerminal(t.Out) && os.Getenv("TERM") != "dumb" }

// Width is the number of columns of Out, 80 if it has none.
func (t Terminal) Width() int {
	if f, ok := t.Out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}

// Report says on Err how a command ended. An error of several, as the faults of
// a settings file, takes a line for each.
func (t Terminal) Report(program string, err error) {
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	fmt.Fprintf(t.Err, "%s: %s\n", program, strings.ReplaceAll(err.Error(), "\n", "\n  "))
}

// Asking reports whether there is a person to answer questions.
func (t Terminal) Asking() bool { return isTerminal(t.In) }

// Ask reads a password without showing it. Without a person it refuses, and
// says that instead does.
func (t Terminal) Ask(prompt, instead string) (string, error) {
	f, ok := t.In.(*os.File)
	if !ok || !isTerminal(f) {
		return "", Usagef("there is no terminal to ask for the password; %s", instead)
	}
	fmt.Fprint(t.Err, prompt)
	b, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(t.Err)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return checkPassword(string(b))
}

// AskTwice reads a new password, which must be typed twice.
func (t Terminal) AskTwice(prompt, instead string) (string, error) {
	first, err := t.Ask(prompt, instead)
	if err != nil {
		return "", err
	}
	second, err := t.Ask("Again: ", instead)
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two passwords differ; nothing has changed")
	}
	return first, nil
}

// PasswordLine reads a password that is the first line of r.
func PasswordLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, MaxPassword+2)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return checkPassword(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"))
}

// PasswordFile reads a password that is the first line of a file.
func PasswordFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	defer f.Close()
	return PasswordLine(f)
}

func checkPassword(s string) (string, error) {
	switch {
	case s == "":
		return "", errors.New("the password is empty")
	case len(s) > MaxPassword:
		return "", fmt.Errorf("the password is longer than %d octets", MaxPassword)
	}
	return s, nil
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
