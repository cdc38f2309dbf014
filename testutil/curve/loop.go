package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
	"github.com/galahad-network/galahad/testutil/adversary"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

const (
	miners    = 4 // the last is the cheat
	groups    = 11
	groupSize = 8
	staleness = 2
)

// simulate plays the loop without a network: four miners of 11 groups, of whom one claims the opposite of every reward.
// Without the checks its rollouts are trained on.
func simulate(ctx context.Context, o options, kind string, seed int) ([]point, error) {
	base, err := models.Base()
	if err != nil {
		return nil, err
	}
	e, err := env.Lookup("arithmetic-3")
	if err != nil {
		return nil, err
	}
	cheat, err := adversary.New(adversary.Sabotage)
	if err != nil {
		return nil, err
	}
	trainer := engine.NewTrainer(base.Model, engine.Options{})
	published := []*engine.Model{base.Model}
	rollouts := 0
	var points []point
	for version := 0; ; version++ {
		if version%o.every == 0 {
			p := point{kind: kind, run: seed, version: version, rollouts: rollouts, staleness: -1}
			if err := measure(ctx, published[version], base.Tokenizer, &p, o.problems); err != nil {
				return nil, err
			}
			points = append(points, p)
		}
		if version == o.loop {
			return points, nil
		}
		eng := engine.New(published[max(0, version-staleness)], engine.Options{})
		var leaves [][]byte
		for i := range miners {
			var s generate.Strategy = generate.Honest{}
			if i == miners-1 {
				s = cheat
			}
			in := input(seed, version, i, eng.Model().Config(), e)
			in.Engine, in.Tokenizer = eng, base.Tokenizer
			made, err := s.Rollouts(ctx, in)
			if err != nil {
				return nil, err
			}
			b, err := batch.New(made)
			if err != nil {
				return nil, err
			}
			if kind == verified {
				ok, err := accepted(ctx, in, b)
				if err != nil {
					return nil, err
				}
				if !ok {
					continue
				}
			}
			leaves = append(leaves, b.Leaves...)
		}
		rollouts += len(leaves)
		step := lineage.Step{
			Version: uint64(version + 1), Leaves: leaves, TemperatureBits: challengetypes.DefaultRunParams(nil, nil, nil).Generation.TemperatureBits,
			Recipe: lineage.Recipe{Hyperparameters: grpo.Default()},
		}
		if _, err := lineage.Train(ctx, trainer, step); err != nil {
			return nil, fmt.Errorf("window %d: %w", version, err)
		}
		next, err := trainer.Model().RoundBF16() // as it is published
		if err != nil {
			return nil, err
		}
		published = append(published, next)
	}
}

// input is what a miner has in hand but its engine and tokenizer.
func input(seed, window, miner int, config engine.Config, e env.Environment) generate.Input {
	chainID := fmt.Sprintf("galahad-curve-%d", seed)
	p := challengetypes.DefaultRunParams(nil, nil, nil).Generation
	in := generate.Input{Challenge: verify.Challenge{
		ChainID: chainID, Run: 1, Window: uint64(window), Opening: derive.OpeningSeed(chainID, binary.BigEndian.AppendUint64(nil, uint64(window)), 1, uint64(window)),
		Checkpoint: bytes.Repeat([]byte{1}, batch.DigestBytes), Miner: bytes.Repeat([]byte{byte(miner + 1)}, 20), Groups: groups, GroupSize: groupSize,
		Mix:        []env.MixEntry{{Env: e.ID(), Digest: e.Digest(), Weight: 1}},
		Generation: verify.Generation{TemperatureBits: p.TemperatureBits, TopPMillionths: p.TopPPpm, MaxNew: p.MaxNew, EndTokens: []int32{2}},
		VocabSize:  config.VocabSize, ContextLength: config.MaxPositionEmbeddings,
	}}
	for g := range uint64(groups) {
		in.Groups = append(in.Groups, g)
	}
	return in
}

// accepted runs all checks on a batch, and replays every rollout.
func accepted(ctx context.Context, in generate.Input, b batch.Batch) (bool, error) {
	res, rollouts := verify.Batch(in.Challenge, in.Tokenizer, b.Root(), b.Leaves)
	if res.Code == verify.OK {
		leaves := make([]uint64, len(rollouts))
		for i := range leaves {
			leaves[i] = uint64(i)
		}
		var err error
		if res, _, err = replay.Check(ctx, in.Engine, in.Tokenizer, in.Challenge, rollouts, leaves); err != nil {
			return false, err
		}
	}
	return res.Code == verify.OK, nil
}
