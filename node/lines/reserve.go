package lines

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/cluster/room"
)

// What is done about a full disk.
const (
	reserveSize = 8 << 20          // octets kept for calls under way, a dozen pages
	fullRetry   = time.Second      // between tries to write a page
	fullMost    = 45 * time.Second // within T5 (T.30), for which the sender can be held off
)

// reserveSuffix is what the name of the reserve, beside the spool, ends in.
const reserveSuffix = ".reserve"

// reserve is a file that takes room on the disk until a call under way needs
// it. Without it no call is answered.
type reserve struct {
	path string

	mu   sync.Mutex
	held bool
}

// hold makes the reserve, if it is not there. The octets are random: some file
// systems give zeros no room.
func (r *reserve) hold() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held {
		return nil
	}
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep room for pages: %w", err)
	}
	_, err = io.Copy(f, io.LimitReader(rand.NewChaCha8([32]byte{}), reserveSize))
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		os.Remove(r.path)
		return fmt.Errorf("keep room for pages: %w", err)
	}
	r.held = true
	return nil
}

// release gives the room to the pages.
func (r *reserve) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held {
		r.held = false
		os.Remove(r.path)
	}
}

// persist writes something until the disk has room for it, at first what the
// reserve gives back: meanwhile the sender is told to wait (RNR). It gives up
// before the sender does.
func (s *spool) persist(ctx context.Context, name string, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, fullMost)
	defer cancel()
	for {
		err := s.write(filepath.Join(s.dir, name), data, 0o600)
		if !room.IsFull(err) {
			return err
		}
		s.reserve.release()
		if err = s.write(filepath.Join(s.dir, name), data, 0o600); !room.IsFull(err) {
			return err
		}
		select {
		case <-time.After(fullRetry):
		case <-ctx.Done():
			return err
		}
	}
}
