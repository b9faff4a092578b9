package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/settings"
)

// Limits on what the profile keeps.
const (
	maxSessionFile = 1 << 20 // octets
	maxKnown       = 1000    // servers whose cluster is remembered
)

// profile is the directory in which this program keeps what it must remember
// for one person.
type profile struct{ dir string }

// login is the session as it is remembered between two commands.
type login struct {
	Account     string     `json:"account"`
	Token       string     `json:"token"`
	Expires     fax.Millis `json:"expires"`
	Server      string     `json:"server"` // host:port that was typed
	Nodes       []string   `json:"nodes"`  // host:port of every node of the cluster
	Fingerprint string     `json:"fingerprint"`
	Cluster     string     `json:"cluster"`
	// Seen is the number of the newest event that was shown: watch goes on
	// behind it.
	Seen uint64 `json:"seen"`
}

// openProfile finds the profile: the flag, FAXMESH_HOME, or the place that the
// system has for it.
func openProfile(flag string) (profile, error) {
	if flag != "" {
		return profile{flag}, nil
	}
	if home := os.Getenv("FAXMESH_HOME"); home != "" {
		return profile{home}, nil
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return profile{}, fmt.Errorf("no place for the profile: %w; name one with --profile or FAXMESH_HOME", err)
	}
	return profile{filepath.Join(config, "faxmesh")}, nil
}

func (p profile) path(name string) string { return filepath.Join(p.dir, name) }

const (
	sessionFile  = "session.json"
	knownFile    = "clusters.json"
	passwordFile = "password.json"
)

// session is the remembered login; the error says to log in if there is none.
func (p profile) session(now time.Time) (login, error) {
	var l login
	switch err := p.read(sessionFile, &l); {
	case errors.Is(err, fs.ErrNotExist):
		return l, fax.Errorf(fax.BadLogin, "not logged in; type: faxmesh login ACCOUNT@HOST")
	case err != nil:
		return l, err
	case l.Expires != 0 && !now.Before(l.Expires.Time()):
		return l, fax.Errorf(fax.BadLogin, "the session of %s has run out; type: faxmesh login %s@%s", l.Account, l.Account, l.Server)
	}
	return l, nil
}

// loggedIn reports whether a session is remembered, run out or not.
func (p profile) loggedIn() bool {
	_, err := os.Stat(p.path(sessionFile))
	return err == nil
}

// saw remembers the newest event shown.
func (p profile) saw(account string, seen uint64) error {
	return p.change(account, func(l login) login {
		l.Seen = max(l.Seen, seen)
		return l
	})
}

// renew remembers what a session that is opened again brings: a newer token,
// nodes that have joined.
func (p profile) renew(s fax.Session) error {
	return p.change(s.Account, func(l login) login { return l.renewed(s) })
}

// change edits the remembered session, unless it has ended meanwhile or is
// another account's.
func (p profile) change(account string, edit func(login) login) error {
	var l login
	switch err := p.read(sessionFile, &l); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	edited := edit(l)
	if l.Account != account || reflect.DeepEqual(edited, l) {
		return nil
	}
	return p.saveSession(edited)
}

func (p profile) saveSession(l login) error { return p.write(sessionFile, l) }

func (p profile) dropSession() error { return p.remove(sessionFile) }

// fingerprint is that of the cluster which answered at server before, "" if
// it is new.
func (p profile) fingerprint(server string) (string, error) {
	known, err := p.known()
	return known[server], err
}

// pin remembers the cluster behind each of servers.
func (p profile) pin(fingerprint string, servers ...string) error {
	known, err := p.known()
	if err != nil {
		return err
	}
	changed := false
	for _, server := range servers {
		if known[server] != "" || len(known) >= maxKnown {
			continue
		}
		known[server] = fingerprint
		changed = true
	}
	if !changed {
		return nil
	}
	return p.write(knownFile, known)
}

func (p profile) known() (map[string]string, error) {
	known := map[string]string{}
	if err := p.read(knownFile, &known); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return known, nil
}

// password is the remembered one for account at server (SAVEWINDOWSPW).
func (p profile) password(account, server string) (string, error) {
	saved := map[string]string{}
	if err := p.read(passwordFile, &saved); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return saved[passwordKey(account, server)], nil
}

func (p profile) savePassword(account, server, password string) error {
	return p.write(passwordFile, map[string]string{passwordKey(account, server): password})
}

func (p profile) dropPassword() error { return p.remove(passwordFile) }

func passwordKey(account, server string) string { return fax.Fold(account) + "@" + server }

func (p profile) read(name string, into any) error {
	f, err := os.Open(p.path(name))
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSessionFile+1))
	if err != nil {
		return fmt.Errorf("read the profile: %w", err)
	}
	if len(data) > maxSessionFile {
		return fmt.Errorf("%s is longer than %d octets; delete it", p.path(name), maxSessionFile)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s is damaged: %w; delete it", p.path(name), err)
	}
	return nil
}

// write replaces a file of the profile, readable by the person alone.
func (p profile) write(name string, what any) error {
	data, err := json.MarshalIndent(what, "", "  ")
	if err != nil {
		return fmt.Errorf("write the profile: %w", err)
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return fmt.Errorf("write the profile: %w", err)
	}
	return settings.WriteDurably(p.path(name), append(data, '\n'), 0o600)
}

func (p profile) remove(name string) error {
	if err := os.Remove(p.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("change the profile: %w", err)
	}
	return nil
}

// settingsFile is the client's own file, empty if there is none yet.
func (p profile) settingsFile() (*settings.File, error) {
	f, err := settings.ReadFile(p.path(settings.ClientFile))
	if errors.Is(err, fs.ErrNotExist) {
		return &settings.File{Name: p.path(settings.ClientFile)}, nil
	}
	return f, err
}

// settings are the values in force.
func (p profile) settings(environ []string) (*settings.Values, []*settings.Fault, error) {
	f, err := p.settingsFile()
	if err != nil {
		return nil, nil, err
	}
	return settings.ClientSchema.Resolve(f.Layer(), settings.EnvLayer(environ))
}

// saveSettings replaces the client's own file.
func (p profile) saveSettings(f *settings.File) error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return fmt.Errorf("write the profile: %w", err)
	}
	return f.WriteFile(p.path(settings.ClientFile), 0o600)
}

// withPort adds the port to a host typed without one.
func withPort(host, port string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	return net.JoinHostPort(host, port)
}
