//go:build galahad_v2

package planned

import (
	"github.com/galahad-network/galahad/app/upgrades"
	"github.com/galahad-network/galahad/app/upgrades/v2"
)

func init() { upgrades.All = append(upgrades.All, v2.Upgrade()) }
