package consensus

import "golang.org/x/sys/windows"

// freeSpace is the room for this program on the volume of a directory, and the
// size of it, in octets.
func freeSpace(dir string) (free, total uint64, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, err
	}
	err = windows.GetDiskFreeSpaceEx(name, &free, &total, nil)
	return free, total, err
}
