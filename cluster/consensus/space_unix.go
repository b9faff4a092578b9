//go:build linux || darwin || freebsd

package consensus

import "golang.org/x/sys/unix"

// freeSpace is the room for this program on the file system of a directory, and
// the size of it, in octets.
func freeSpace(dir string) (free, total uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	size := uint64(st.Bsize)
	return uint64(max(st.Bavail, 0)) * size, st.Blocks * size, nil
}
