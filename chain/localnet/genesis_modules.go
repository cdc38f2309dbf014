package localnet

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app"
	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/chain/beacon"
	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/conformance"
	"github.com/galahad-network/galahad/rl/env"
	challenge "github.com/galahad-network/galahad/x/challenge/types"
	policy "github.com/galahad-network/galahad/x/policy/types"
	registry "github.com/galahad-network/galahad/x/registry/types"
	settlement "github.com/galahad-network/galahad/x/settlement/types"
)

// DefaultMix is the environment of the shipped model.
const DefaultMix = "arithmetic-3:1"

// modules writes our modules' genesis: the local beacon, one run on the shipped model, and times that suit a
// network which somebody watches.
func (g *genesisBuilder) modules(ctx context.Context, state app.GenesisState) error {
	cdc := g.app.Codec()
	run, err := g.run(ctx)
	if err != nil {
		return err
	}
	beaconParams, err := g.beaconParams()
	if err != nil {
		return err
	}

	var ch challenge.GenesisState
	cdc.MustUnmarshalJSON(state[challenge.ModuleName], &ch)
	ch.Params.Beacon = beaconParams
	ch.Params.BlockTime = 500 * time.Millisecond
	ch.Params.MinGraderStake = params.GAL((graderStake + nodeStake) / 2)
	ch.Runs = []challenge.Run{run}
	// With the tokenizer on chain, evidence can show a forged prompt or reward, too.
	files, err := models.BaseFiles()
	if err != nil {
		return err
	}
	tokenizer, err := fs.ReadFile(files, "tokenizer.json")
	if err != nil {
		return fmt.Errorf("tokenizer of the shipped model: %w", err)
	}
	ch.Tokenizers = []challenge.RunTokenizer{{Run: RunID, File: tokenizer}}
	state[challenge.ModuleName] = cdc.MustMarshalJSON(&ch)

	digest, err := hex.DecodeString(models.BaseDigest)
	if err != nil {
		return fmt.Errorf("digest of the shipped model: %w", err)
	}
	var po policy.GenesisState
	cdc.MustUnmarshalJSON(state[policy.ModuleName], &po)
	po.Checkpoints = []policy.Checkpoint{{Run: RunID, Digest: digest, Locator: g.n.checkpoint(models.BaseDigest)}}
	state[policy.ModuleName] = cdc.MustMarshalJSON(&po)

	var re registry.GenesisState
	cdc.MustUnmarshalJSON(state[registry.ModuleName], &re)
	re.Params.UnbondingTime = 5 * time.Minute
	if re.Miners, err = g.miners(); err != nil {
		return err
	}
	re.NextOrders = []registry.RunCounter{{Run: RunID, Next: uint64(len(re.Miners))}}
	state[registry.ModuleName] = cdc.MustMarshalJSON(&re)

	var se settlement.GenesisState
	cdc.MustUnmarshalJSON(state[settlement.ModuleName], &se)
	se.Params.JailWindows = 10
	state[settlement.ModuleName] = cdc.MustMarshalJSON(&se)
	return nil
}

// miners registers the network's miners, so that the first window has them.
func (g *genesisBuilder) miners() ([]registry.Miner, error) {
	var miners []registry.Miner
	for i, d := range g.n.Miners {
		miners = append(miners, registry.Miner{
			Run: RunID, Address: d.Address, Bond: minerBond.Amount, Endpoint: url(d.Port),
			DeclaredGroups: declaredGroups, Order: uint64(i),
		})
	}
	raw := make(map[string]sdk.AccAddress, len(miners))
	for _, m := range miners {
		addr, err := sdk.AccAddressFromBech32(m.Address)
		if err != nil {
			return nil, err
		}
		raw[m.Address] = addr
	}
	slices.SortFunc(miners, func(a, b registry.Miner) int { return bytes.Compare(raw[a.Address], raw[b.Address]) })
	return miners, nil
}

// beaconParams makes the key of the local beacon; round 1 is now.
func (g *genesisBuilder) beaconParams() (challenge.BeaconParams, error) {
	const period, timeoutBlocks = 1, 120
	n, err := beacon.Create(g.n.Dir(g.n.Beacon.Name), g.start.Unix(), period)
	if err != nil {
		return challenge.BeaconParams{}, fmt.Errorf("local beacon: %w", err)
	}
	return n.Params(timeoutBlocks), nil
}

// run is the network's one run: the protocol's defaults with short stages.
func (g *genesisBuilder) run(ctx context.Context) (challenge.Run, error) {
	base, err := models.Base()
	if err != nil {
		return challenge.Run{}, err
	}
	mix, err := parseMix(g.options.mix)
	if err != nil {
		return challenge.Run{}, err
	}
	conformanceDigest, err := conformance.ForMix(ctx, base.Tokenizer, mix)
	if err != nil {
		return challenge.Run{}, fmt.Errorf("conformance suite: %w", err)
	}
	tok := base.Tokenizer.Digest()
	p := challenge.DefaultRunParams(challenge.WeightsOf(mix), tok[:], conformanceDigest[:])
	p.CommitBlocks, p.AuditBlocks, p.RevealBlocks = g.options.commit, g.options.audit, g.options.reveal
	p.MaxGroupsPerWindow = 128
	p.AuditBudgetGroups, p.AuditMinPpm = 32, 250_000
	p.MinGraderTokensPerSecond = 2000
	owner, err := sdk.AccAddressFromBech32(g.n.Learner.Address)
	if err != nil {
		return challenge.Run{}, err
	}
	return challenge.Run{
		Id: RunID, Name: "local", Owner: owner.String(), Learner: owner.String(),
		Params: p, Status: challenge.RunStatus_RUN_STATUS_ACTIVE,
	}, nil
}

// parseMix reads --mix, of built-in environments.
func parseMix(s string) ([]env.MixEntry, error) {
	mix, err := env.ParseMix(s, env.Lookup)
	if errors.Is(err, env.ErrUnknown) {
		return nil, fmt.Errorf("--mix: %w; there are %s", err, strings.Join(env.IDs(), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("--mix: %w", err)
	}
	return mix, nil
}
