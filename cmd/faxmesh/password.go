package main

import (
	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/cmd/terminal"
)

const instead = "use --password-stdin or --password-file"

// passwordSource is where a password comes from: the flags, or the person.
type passwordSource struct {
	stdin bool
	file  string
}

func (s *passwordSource) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.stdin, "password-stdin", false, "read the password from the first line of standard input")
	cmd.Flags().StringVar(&s.file, "password-file", "", "read the password from the first line of this file")
	cmd.MarkFlagsMutuallyExclusive("password-stdin", "password-file")
}

func (s *passwordSource) given() bool { return s.stdin || s.file != "" }

// read gives the password, asking for it once if no flag says where it is.
func (s *passwordSource) read(t terminal.Terminal, prompt string) (string, error) {
	if s.given() {
		return s.fromFlags(t)
	}
	return t.Ask(prompt, instead)
}

// readNew gives a password to be set, asking for it twice.
func (s *passwordSource) readNew(t terminal.Terminal, prompt string) (string, error) {
	if s.given() {
		return s.fromFlags(t)
	}
	return t.AskTwice(prompt, instead)
}

func (s *passwordSource) fromFlags(t terminal.Terminal) (string, error) {
	if s.stdin {
		return terminal.PasswordLine(t.In)
	}
	return terminal.PasswordFile(s.file)
}
