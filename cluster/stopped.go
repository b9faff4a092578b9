package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/durable"
)

// stoppedFile, when it is there, says why the node of this directory may not
// take part any more.
const stoppedFile = "stopped.json"

// stopped is a node that has been stopped for good.
type stopped struct {
	At     fax.Millis `json:"at"`
	Reason string     `json:"reason"` // a sentence that says what to do
}

func (s stopped) Error() string {
	return fmt.Sprintf("%s (since %s)", s.Reason, s.At.Time().Format("2006-01-02 15:04 MST"))
}

// stop ends this node's part for good: it serves no longer, and is not started
// again on this directory.
func (c *Cluster) stop(reason string) { c.stopFor(nil, reason) }

// stopFor is stop; Err wraps why.
func (c *Cluster) stopFor(why error, reason string) {
	s := stopped{At: fax.At(time.Now()), Reason: reason}
	data, err := json.Marshal(s)
	if err == nil {
		err = durable.WriteFile(filepath.Join(c.opt.Dir, ownDir, stoppedFile), data, 0o600)
	}
	if err != nil {
		c.opt.Logger.Error("that this node may not be started again could not be written down", "err", err)
	}
	c.opt.Logger.Warn("this node stops for good", "reason", reason)
	if why != nil {
		c.raft.Fail(fmt.Errorf("%w: %w", why, s))
		return
	}
	c.raft.Fail(s)
}

// refuseStopped is the error of a directory whose node has been stopped.
func refuseStopped(dir string) error {
	path := filepath.Join(dir, stoppedFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var s stopped
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return fmt.Errorf("read why this node was stopped: %w", err)
	}
	return fax.Errorf(fax.Conflict, "%v", s)
}

// HasLeft reports whether the node of a directory has left its cluster or was
// otherwise stopped for good.
func HasLeft(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, ownDir, stoppedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
