package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

func TestSetupBecomesTheSettings(t *testing.T) {
	dir := t.TempDir()
	s := setup{dir: dir, name: "north", listen: "127.0.0.1:7487", clientListen: ":7488", clientAdvertise: "fax.example:9000",
		lines: []string{"0301@exchange:127.0.0.1:7499", "+45 33@/dev/ttyACM0"}}
	f, _, err := s.file()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.claim(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, settings.ServerFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.write(f); err != nil {
		t.Fatal(err)
	}
	if err := s.claim(); err == nil {
		t.Error("the directory of a node can be claimed again")
	}
	a := &app{terminal.Terminal{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}}
	values, err := a.readSettings(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := values.Server()
	if got.Name != "north" || where(got.Cluster) != "127.0.0.1:7487" || where(got.Client) != "fax.example:9000" || got.Client.Bind != ":7488" {
		t.Errorf("read back %+v", got)
	}
	if len(got.Lines) != 2 || got.Lines[0].Type != settings.TypeSimulated || got.Lines[0].Device != "127.0.0.1:7499" || got.Lines[1].Number != "+45 33" || got.Lines[1].Type != settings.TypeClass1 {
		t.Errorf("lines %+v", got.Lines)
	}
	if err := a.checkShipped(filepath.Join(dir, settings.ShippedFile)); err != nil {
		t.Error(err)
	}
}

func TestSetupRefuses(t *testing.T) {
	good := setup{dir: "d", name: "north", listen: "127.0.0.1:7487", clientListen: "127.0.0.1:7488"}
	for want, change := range map[string]func(*setup){
		"--data DIR":                     func(s *setup) { s.dir = "" },
		"give it one with --name":        func(s *setup) { s.name = "" },
		"has the character '/'":          func(s *setup) { s.name = "a/b" },
		"--listen \"7487\" is not":       func(s *setup) { s.listen = "7487" },
		"--client-listen: [NETWORK] SER": func(s *setup) { s.clientListen = ":0" },
		"are both 7487":                  func(s *setup) { s.clientListen = "127.0.0.1:7487" },
		"--line \"0301\" is not":         func(s *setup) { s.lines = []string{"0301"} },
		"must be exchange:HOST:PORT":     func(s *setup) { s.lines = []string{"0301@exchange:here"} },
		"--client-advertise: [NETWORK]":  func(s *setup) { s.clientAdvertise = "fax.example" },
	} {
		s := good
		change(&s)
		_, _, err := s.file()
		if terminal.Status(err) != terminal.Usage || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, _, err := good.file(); err != nil {
		t.Error(err)
	}
}

func TestReachable(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "fax.example", "::1"} {
		if got := reachable(host, "7487"); got != "" {
			t.Errorf("%s is advertised as %s", host, got)
		}
	}
	for _, host := range []string{"", "0.0.0.0", "::"} {
		if got := reachable(host, "7487"); !strings.HasSuffix(got, ":7487") || strings.HasPrefix(got, "0.0.0.0") || strings.HasPrefix(got, "[::]") {
			t.Errorf("%q is advertised as %q", host, got)
		}
	}
}

func TestLockHoldsOthersOff(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lockData(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lockData(dir)
	if err == nil || !strings.Contains(err.Error(), "in use by a running faxmeshd (process ") {
		t.Errorf("the second lock: %v", err)
	}
	unlock()
	again, err := lockData(dir)
	if err != nil {
		t.Fatal(err)
	}
	again()
}
