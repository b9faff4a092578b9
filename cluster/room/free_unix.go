//go:build linux || darwin || freebsd

package room

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Free is the room for this program on the file system of a directory, and
// the size of it, in octets.
func Free(dir string) (free, total uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	size := uint64(st.Bsize)
	return uint64(max(st.Bavail, 0)) * size, st.Blocks * size, nil
}

// isFull says whether an error comes from a full disk, or a user's share of it.
func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
