package terminal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

func TestStatus(t *testing.T) {
	for want, err := range map[int]error{
		OK:      nil,
		Failure: errors.New("x"),
		Usage:   fmt.Errorf("a: %w", Usagef("x")),
		NoLogin: fmt.Errorf("a: %w", fax.Errorf(fax.BadLogin, "x")),
	} {
		if got := Status(err); got != want {
			t.Errorf("%v gives %d, want %d", err, got, want)
		}
	}
	if got := Status(fax.Errorf(fax.NotFound, "x")); got != Failure {
		t.Errorf("not found gives %d", got)
	}
}

func TestExecuteTellsUsageFromFailure(t *testing.T) {
	for _, c := range []struct {
		args   string
		status int
		err    string
	}{
		{"work ok", OK, ""},
		{"work bad", Failure, "prog: bad\n"},
		{"work", Usage, "prog: accepts 1 arg(s), received 0; see prog work --help\n"},
		{"work ok --odd", Usage, "prog: unknown flag: --odd; see prog work --help\n"},
		{"group", OK, ""},
		{"group odd", Usage, "prog: unknown command \"odd\" for \"prog group\"; see prog group --help\n"},
		{"odd", Usage, "prog: unknown command \"odd\" for \"prog\"; see prog --help\n"},
	} {
		root := Group(&cobra.Command{Use: "prog"},
			&cobra.Command{Use: "work", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
				if args[0] != "ok" {
					return errors.New(args[0])
				}
				return nil
			}},
			Group(&cobra.Command{Use: "group", Short: "A group"}, &cobra.Command{Use: "x", Run: func(*cobra.Command, []string) {}}))
		var out, errs bytes.Buffer
		root.SetArgs(strings.Fields(c.args))
		status := Terminal{In: strings.NewReader(""), Out: &out, Err: &errs}.Execute(t.Context(), root)
		if status != c.status || errs.String() != c.err {
			t.Errorf("%q ends with %d and says %q, want %d and %q", c.args, status, errs.String(), c.status, c.err)
		}
	}
}

func TestPasswords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	for text, want := range map[string]string{"secret\n": "secret", "secret\r\nmore\n": "secret", " spaces ": " spaces ", "": "", "\n": "", strings.Repeat("x", MaxPassword+1): ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := PasswordFile(path)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%.20q gives %q, %v", text, got, err)
		}
	}
	if _, err := (Terminal{In: strings.NewReader("secret\n"), Err: &bytes.Buffer{}}).Ask("Password: ", "use --password-stdin"); Status(err) != Usage || !strings.Contains(err.Error(), "use --password-stdin") {
		t.Errorf("asking without a terminal gives %v", err)
	}
}
