package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/faxmesh/faxmesh/modem/line"
)

// systemConfig is HylaFAX's config. Debian wraps faxsend so that it sees
// another directory than the daemons do: SendFaxCmd goes past the wrapper.
const systemConfig = mark + `LogFacility:		daemon
CountryCode:		49
AreaCode:		30
LongDistancePrefix:	0
InternationalPrefix:	00
DialStringRules:	etc/dialrules
ServerTracing:		1
MaxConcurrentCalls:	1
SendFaxCmd:		/usr/lib/hylafax/bin/faxsend
NotifyCmd:		/bin/true
MaxBatchJobs:		1
`

// lineConfig is the configuration of each modem; %s is the device.
const lineConfig = mark + `CountryCode:		49
AreaCode:		30
FAXNumber:		+49.30.555.2
LongDistancePrefix:	0
InternationalPrefix:	00
DialStringRules:	etc/dialrules
ServerTracing:		0xFFF
SessionTracing:		0xFFF
RecvFileMode:		0666
LogFileMode:		0666
DeviceMode:		0666
RingsBeforeAnswer:	1
SpeakerVolume:		off
GettyArgs:		"-h %%l dx_%%s"
LocalIdentifier:	"LAB %s"
MaxRecvPages:		200
ModemType:		Class1
ModemRate:		38400
ModemFlowControl:	none
PagerTTYParity:		none
Class1AdaptRecvCmd:	AT+FAR=1
ModemResetCmds:		AT+VCID=1
CallIDPattern:		"NMBR="
CallIDPattern:		"NAME="
CallIDPattern:		"NDID="
FaxRcvdCmd:		/bin/true
`

// configFor limits a HylaFAX line to a mode; the other end is left to follow.
func configFor(device string, m Mode) string {
	text := fmt.Sprintf(lineConfig, device)
	limit := func(is bool, setting string) {
		if is {
			text += setting + "\n"
		}
	}
	limit(!m.ECM, "Class1ECMSupport: no")
	limit(m.Coding != "MMR", "Class1MMRSupport: no")
	limit(m.Coding == "MH", "Class1MRSupport: no")
	switch {
	case m.Rate == line.V29x9600:
		text += "Class1TMQueryCmd: \"!24,48,72,96\"\n"
	case m.Rate == line.V27ter4800:
		text += "Class1TMQueryCmd: \"!24,48\"\n"
	}
	return text
}

// A file of the lab begins with mark; what it has replaced is kept beside it
// under this suffix, so that a run that was killed is put right by the next.
const (
	mark      = "# Made by faxmesh's interoperability lab.\n"
	keptAs    = ".before-lab"
	maxConfig = 1 << 20 // octets of a configuration file
)

// files are the files that were written over, to be put back.
type files struct {
	mu   sync.Mutex
	kept []string // in the order of writing; those that had no predecessor too
}

// write writes a file for HylaFAX, keeping the one that was there.
func (f *files) write(name, text string, mode fs.FileMode, owned bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(text) > maxConfig {
		return fmt.Errorf("%s: more than %d octets", name, maxConfig)
	}
	if !f.hasLocked(name) {
		if err := os.Rename(name, name+keptAs); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		f.kept = append(f.kept, name)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		return err
	}
	if err := os.Chmod(name, mode); err != nil { // it may have been there
		return err
	}
	if owned {
		return giveTo(hylaOwner, name)
	}
	return nil
}

func (f *files) hasLocked(name string) bool {
	for _, kept := range f.kept {
		if kept == name {
			return true
		}
	}
	return false
}

// link makes a device name of a terminal.
func (f *files) link(target, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old, err := os.Readlink(name); err == nil && gone(old) {
		os.Remove(name) // of a run that was killed
	}
	if err := os.Symlink(target, name); err != nil {
		return err
	}
	f.kept = append(f.kept, name)
	return nil
}

func gone(name string) bool {
	_, err := os.Stat(name)
	return errors.Is(err, fs.ErrNotExist)
}

// restore puts everything back.
func (f *files) restore() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for i := len(f.kept) - 1; i >= 0; i-- {
		errs = append(errs, putBack(f.kept[i]))
	}
	f.kept = nil
	return errors.Join(errs...)
}

func putBack(name string) error {
	err := os.Rename(name+keptAs, name)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.Remove(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// recover undoes what a run that was killed has left in the directories.
func (f *files) recover(dirs ...string) error {
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			name := filepath.Join(dir, entry.Name())
			before, kept := strings.CutSuffix(name, keptAs)
			switch {
			case kept:
				err = os.Rename(name, before)
			case entry.Type().IsRegular() && ours(name) && gone(name+keptAs):
				err = os.Remove(name)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func ours(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(mark))
	n, _ := f.Read(head)
	return string(head[:n]) == mark
}

// giveTo makes user the owner of a file.
func giveTo(name, file string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return os.Chown(file, uid, gid)
}
