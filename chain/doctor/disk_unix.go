//go:build linux || darwin || freebsd

package doctor

import (
	"fmt"
	"syscall"
)

// diskFree is how many bytes an ordinary user can still write to the folder's file system.
func diskFree(folder string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", folder, err)
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil
}
