//go:build !linux && !darwin && !freebsd

package doctor

import (
	"errors"
	"runtime"
)

func diskFree(string) (uint64, error) {
	return 0, errors.New("free space is not looked at on " + runtime.GOOS)
}
