//go:build !linux && !darwin && !freebsd && !windows

package consensus

import "errors"

// freeSpace is not known here.
func freeSpace(string) (free, total uint64, err error) { return 0, 0, errors.ErrUnsupported }
