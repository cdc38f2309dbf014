package policy_test

import challengetypes "github.com/galahad-network/galahad/x/challenge/types"

func attested(p *challengetypes.RunParams) { p.PolicyDelayBlocks = 0 }
