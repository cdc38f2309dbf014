package localnet

import (
	"bytes"
	"cmp"
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

// modules writes our modules' genesis: the local beacon, one run on the shipped model, or a swarm of several, and times that
// suit a network which somebody watches.
func (g *genesisBuilder) modules(ctx context.Context, state app.GenesisState) error {
	cdc := g.app.Codec()
	runs, err := g.runs(ctx)
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
	ch.Runs = runs
	// With the tokenizer on chain, evidence can show a forged prompt or reward, too.
	files, err := models.BaseFiles()
	if err != nil {
		return err
	}
	tokenizer, err := fs.ReadFile(files, "tokenizer.json")
	if err != nil {
		return fmt.Errorf("tokenizer of the shipped model: %w", err)
	}
	for _, r := range runs {
		ch.Tokenizers = append(ch.Tokenizers, challenge.RunTokenizer{Run: r.Id, File: tokenizer})
	}
	state[challenge.ModuleName] = cdc.MustMarshalJSON(&ch)

	digest, err := hex.DecodeString(models.BaseDigest)
	if err != nil {
		return fmt.Errorf("digest of the shipped model: %w", err)
	}
	var po policy.GenesisState
	cdc.MustUnmarshalJSON(state[policy.ModuleName], &po)
	for _, r := range runs {
		po.Checkpoints = append(po.Checkpoints, policy.Checkpoint{
			Run: r.Id, Digest: digest, Locator: url(g.n.learner(r.Id).Port) + "/checkpoints/" + models.BaseDigest,
		})
	}
	state[policy.ModuleName] = cdc.MustMarshalJSON(&po)

	var re registry.GenesisState
	cdc.MustUnmarshalJSON(state[registry.ModuleName], &re)
	re.Params.UnbondingTime = 5 * time.Minute
	if re.Miners, err = g.miners(); err != nil {
		return err
	}
	for _, r := range runs {
		re.NextOrders = append(re.NextOrders, registry.RunCounter{Run: r.Id, Next: uint64(len(g.n.Miners))})
	}
	state[registry.ModuleName] = cdc.MustMarshalJSON(&re)

	var se settlement.GenesisState
	cdc.MustUnmarshalJSON(state[settlement.ModuleName], &se)
	se.Params.JailWindows = 10
	state[settlement.ModuleName] = cdc.MustMarshalJSON(&se)
	return nil
}

// miners registers the network's miners in all runs, so that the first windows have them.
func (g *genesisBuilder) miners() ([]registry.Miner, error) {
	var miners []registry.Miner
	for _, run := range g.n.Runs() {
		for i, d := range g.n.Miners {
			miners = append(miners, registry.Miner{
				Run: run, Address: d.Address, Bond: minerBond.Amount, Endpoint: url(d.Port),
				DeclaredGroups: uint32(g.n.declared()), Order: uint64(i),
			})
		}
	}
	raw := make(map[string]sdk.AccAddress, len(miners))
	for _, m := range miners {
		addr, err := sdk.AccAddressFromBech32(m.Address)
		if err != nil {
			return nil, err
		}
		raw[m.Address] = addr
	}
	slices.SortFunc(miners, func(a, b registry.Miner) int {
		return cmp.Or(cmp.Compare(a.Run, b.Run), bytes.Compare(raw[a.Address], raw[b.Address]))
	})
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

// runs are the network's: the protocol's defaults with short stages. Several share the emission and are each other's swarm.
func (g *genesisBuilder) runs(ctx context.Context) ([]challenge.Run, error) {
	base, err := models.Base()
	if err != nil {
		return nil, err
	}
	mix, err := parseMix(g.options.mix)
	if err != nil {
		return nil, err
	}
	conformanceDigest, err := conformance.ForMix(ctx, base.Tokenizer, mix)
	if err != nil {
		return nil, fmt.Errorf("conformance suite: %w", err)
	}
	tok := base.Tokenizer.Digest()
	p := challenge.DefaultRunParams(challenge.WeightsOf(mix), tok[:], conformanceDigest[:])
	p.CommitBlocks, p.AuditBlocks, p.RevealBlocks = g.options.commit, g.options.audit, g.options.reveal
	p.MaxGroupsPerWindow = 128
	p.AuditBudgetGroups, p.AuditMinPpm = 32, 250_000
	p.MinGraderTokensPerSecond = 2000
	ids := g.n.Runs()
	p.EmissionSharePpm = challenge.Million / uint32(len(ids))
	var runs []challenge.Run
	for _, id := range ids {
		r := challenge.Run{
			Id: id, Name: "local", Owner: g.n.learner(id).Address, Learner: g.n.learner(id).Address,
			Params: p, Status: challenge.RunStatus_RUN_STATUS_ACTIVE,
		}
		if len(ids) > 1 {
			r.Name = fmt.Sprintf("local-%d", id)
			r.Params.Recipe.SwarmRuns = slices.DeleteFunc(slices.Clone(ids), func(other uint64) bool { return other == id })
			r.Params.Recipe.SwarmGroups = swarmGroups
		}
		runs = append(runs, r)
	}
	return runs, nil
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
