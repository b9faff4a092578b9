package blob

import (
	"io"
	"os"

	"github.com/faxmesh/faxmesh/cluster/durable"
)

// disk is what the store writes through.
type disk interface {
	// Create makes a new file in dir.
	Create(dir string) (output, error)
	// MkdirAll, Rename and Remove are those of package os: durable only when
	// the directory around is.
	MkdirAll(dir string) error
	Rename(from, to string) error
	Remove(path string) error
	SyncDir(dir string) error
}

// output is a file under way.
type output interface {
	io.Writer
	Name() string
	Sync() error
	Close() error
}

// osDisk is the disk of this machine.
type osDisk struct{}

func (osDisk) Create(dir string) (output, error) {
	f, err := os.CreateTemp(dir, "*")
	if err != nil {
		return nil, err // not a *os.File that is nil in an output that is not
	}
	return f, nil
}

func (osDisk) MkdirAll(dir string) error    { return os.MkdirAll(dir, 0o700) }
func (osDisk) Rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) Remove(path string) error     { return os.Remove(path) }
func (osDisk) SyncDir(dir string) error     { return durable.SyncDir(dir) }
