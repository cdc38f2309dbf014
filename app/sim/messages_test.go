package sim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/cometbft/cometbft/crypto/merkle"

	errorsmod "cosmossdk.io/errors"
	sdkmath "cosmossdk.io/math"

	"cosmossdk.io/collections"
	"github.com/cosmos/cosmos-sdk/testutil/simsx"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app"
	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/x/challenge/beacon"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// mainRun is the run of genesis.
const mainRun = uint64(1)

// tally counts, for each kind of message, how many were accepted and how many refused.
type tally struct {
	mu                sync.Mutex
	accepted, refused map[string]int
	last              map[string]error // why the last one was refused
	kinds             []string
}

func newTally() *tally {
	return &tally{accepted: map[string]int{}, refused: map[string]int{}, last: map[string]error{}}
}

// result takes what became of a message. A refusal without a code is a fault.
func (t *tally) result(kind string, err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.accepted[kind]++
		return nil
	}
	if codespace, _, _ := errorsmod.ABCIInfo(err, false); codespace == errorsmod.UndefinedCodespace {
		return fmt.Errorf("refused without a code: %w", err)
	}
	t.refused[kind]++
	t.last[kind] = err
	return nil
}

// total is how many were accepted.
func (t *tally) total() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, k := range t.kinds {
		n += t.accepted[k]
	}
	return n
}

// String is a table.
func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b bytes.Buffer
	for _, k := range t.kinds {
		fmt.Fprintf(&b, "%-46s accepted %4d refused %4d", k, t.accepted[k], t.refused[k])
		if err := t.last[k]; err != nil {
			fmt.Fprintf(&b, ", last: %.90s", err)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// world is what a message is made from.
type world struct {
	sdk.Context
	*app.App
	key  beacon.SecretKey
	data *simsx.ChainDataSource
	rep  simsx.SimulationReporter
	rand *simsx.XRand
}

// maker makes a message and names its signer, or says why there is nothing to send.
type maker[T sdk.Msg] func(w world) (signer string, msg T, why string)

// add registers a message with a weight; spends says how much of the signer's coins it
// takes, which fees must leave alone.
func add[T sdk.Msg](
	reg simsx.Registry, weights simsx.WeightSource, a *app.App, key beacon.SecretKey, t *tally,
	weight uint32, spends func(T) sdkmath.Int, f maker[T],
) {
	var none T
	kind := sdk.MsgTypeURL(none)
	if !slices.Contains(t.kinds, kind) {
		t.kinds = append(t.kinds, kind)
	}
	reg.Add(weights.Get(kind, weight), simsx.NewSimMsgFactoryWithDeliveryResultHandler(
		func(ctx context.Context, data *simsx.ChainDataSource, rep simsx.SimulationReporter) ([]simsx.SimAccount, T, simsx.SimDeliveryResultHandler) {
			signer, msg, why := f(world{sdk.UnwrapSDKContext(ctx), a, key, data, rep, data.Rand()})
			if why == "" && !data.HasAccount(signer) {
				why = "the signer is not one of the accounts"
			}
			if why != "" {
				rep.Skip(why)
				return nil, none, nil
			}
			acc := data.GetAccount(rep, signer)
			if spends != nil && !acc.LiquidBalance().BlockAmount(sdk.NewCoin(params.BaseDenom, spends(msg))) {
				rep.Skip("too few coins")
				return nil, none, nil
			}
			return []simsx.SimAccount{acc}, msg, func(err error) error { return t.result(kind, err) }
		}))
}

// messages registers those of the chain's own modules.
func messages(reg simsx.Registry, ws simsx.WeightSource, a *app.App, key beacon.SecretKey, t *tally) {
	add(reg, ws, a, key, t, 60, func(m *registrytypes.MsgRegister) sdkmath.Int { return m.Bond.Add(params.GAL(10_000)) }, register)
	add(reg, ws, a, key, t, 30, func(m *registrytypes.MsgBond) sdkmath.Int { return m.Amount }, bond)
	add(reg, ws, a, key, t, 30, nil, unbond)
	add(reg, ws, a, key, t, 20, nil, declareGroups)
	add(reg, ws, a, key, t, 20, nil, updateEndpoint)
	add(reg, ws, a, key, t, 20, nil, updateMetadata)
	add(reg, ws, a, key, t, 40, nil, unjail)

	add(reg, ws, a, key, t, 400, nil, submitBeacon)
	add(reg, ws, a, key, t, 30, func(m *challengetypes.MsgCreateRun) sdkmath.Int { return m.Deposit }, createRun)
	add(reg, ws, a, key, t, 15, nil, updateRun)
	add(reg, ws, a, key, t, 20, nil, pauseRun)
	add(reg, ws, a, key, t, 40, nil, resumeRun)
	add(reg, ws, a, key, t, 15, nil, closeRun)

	add(reg, ws, a, key, t, 400, nil, commitRollouts)
	add(reg, ws, a, key, t, 40, nil, submitEvidence)
	add(reg, ws, a, key, t, 40, func(*rollouttypes.MsgAccuse) sdkmath.Int { return params.GAL(10) }, accuse)

	add(reg, ws, a, key, t, 500, nil, commitVerdicts)
	add(reg, ws, a, key, t, 500, nil, revealVerdicts)
	add(reg, ws, a, key, t, 40, nil, claim)

	add(reg, ws, a, key, t, 100, nil, publish)
	add(reg, ws, a, key, t, 150, nil, attest)
	add(reg, ws, a, key, t, 30, nil, reject)
	add(reg, ws, a, key, t, 40, nil, rollback)
}

// digest is 32 bytes that follow from its arguments.
func digest(args ...any) []byte {
	d := sha256.Sum256(fmt.Append(nil, args...))
	return d[:]
}

func anyOf[T any](w world, from []T) (T, bool) {
	if len(from) == 0 {
		var none T
		return none, false
	}
	return from[w.rand.Intn(len(from))], true
}

func (w world) anyAccount() string { return w.data.AnyAccount(w.rep).AddressBech32 }

// gal is a random amount of at most most GAL.
func (w world) gal(most int) sdkmath.Int { return params.GAL(int64(1 + w.rand.Intn(most))) }

// anyRun is run 1 in half of the cases.
func (w world) anyRun() challengetypes.Run {
	ids, err := w.Challenge.RunIDs(w)
	must(err)
	id, _ := anyOf(w, ids)
	if w.rand.Intn(2) == 0 {
		id = mainRun
	}
	run, err := w.Challenge.GetRun(w, id)
	must(err)
	return run
}

// often is true in three of four cases: messages are mostly such as are accepted.
func (w world) often() bool { return w.rand.Intn(4) > 0 }

// runWith is often a run with a status, if there is one, else any.
func (w world) runWith(status challengetypes.RunStatus, but uint64) challengetypes.Run {
	ids, err := w.Challenge.RunIDs(w)
	must(err)
	var with []challengetypes.Run
	for _, id := range ids {
		run, err := w.Challenge.GetRun(w, id)
		must(err)
		if run.Status == status && id != but {
			with = append(with, run)
		}
	}
	if run, ok := anyOf(w, with); ok && w.often() {
		return run
	}
	return w.anyRun()
}

func (w world) anyMiner() (registrytypes.Miner, bool) {
	miners, err := w.Registry.RunMiners(w, w.anyRun().Id)
	must(err)
	return anyOf(w, miners)
}

// in are the open windows of run 1 at a stage.
func (w world) in(stage challengetypes.Stage) []challengetypes.Window {
	open, err := w.Challenge.OpenWindows(w, mainRun)
	must(err)
	return slices.DeleteFunc(open, func(o challengetypes.Window) bool {
		return challengetypes.StageAt(o, w.BlockHeight()) != stage
	})
}

// closed is a CLOSED window of run 1, often the newest.
func (w world) closed() (challengetypes.Window, bool) {
	run, err := w.Challenge.GetRun(w, mainRun)
	must(err)
	var out []challengetypes.Window
	for id := run.FirstWindow; id < run.NextWindow; id++ {
		if o, err := w.Challenge.GetWindow(w, mainRun, id); err == nil && o.ClosedHeight > 0 {
			out = append(out, o)
		}
	}
	if len(out) > 0 && w.often() {
		return out[len(out)-1], true
	}
	return anyOf(w, out)
}

const nobody = "no such miner"

func register(w world) (string, *registrytypes.MsgRegister, string) {
	who := w.anyAccount()
	return who, &registrytypes.MsgRegister{
		Miner: who, Run: w.anyRun().Id, Bond: params.GAL(16).Add(w.gal(1000)), Endpoint: "http://127.0.0.1:9101",
		DeclaredGroups: uint32(1 + w.rand.Intn(4)), LimitPrice: params.GAL(10_000), Metadata: w.rand.StringN(20),
	}, ""
}

func bond(w world) (string, *registrytypes.MsgBond, string) {
	m, ok := w.anyMiner()
	if !ok {
		return "", nil, nobody
	}
	return m.Address, &registrytypes.MsgBond{Miner: m.Address, Run: m.Run, Amount: w.gal(1000)}, ""
}

func unbond(w world) (string, *registrytypes.MsgUnbond, string) {
	m, ok := w.anyMiner()
	if !ok {
		return "", nil, nobody
	}
	amount := m.Bond
	if w.rand.Intn(4) > 0 {
		amount = w.gal(20)
	}
	return m.Address, &registrytypes.MsgUnbond{Miner: m.Address, Run: m.Run, Amount: amount}, ""
}

func declareGroups(w world) (string, *registrytypes.MsgDeclareGroups, string) {
	m, ok := w.anyMiner()
	if !ok {
		return "", nil, nobody
	}
	return m.Address, &registrytypes.MsgDeclareGroups{Miner: m.Address, Run: m.Run, DeclaredGroups: uint32(w.rand.Intn(6))}, ""
}

func updateEndpoint(w world) (string, *registrytypes.MsgUpdateEndpoint, string) {
	m, ok := w.anyMiner()
	if !ok {
		return "", nil, nobody
	}
	return m.Address, &registrytypes.MsgUpdateEndpoint{Miner: m.Address, Run: m.Run, Endpoint: "https://" + w.rand.StringN(12) + ".example"}, ""
}

func updateMetadata(w world) (string, *registrytypes.MsgUpdateMetadata, string) {
	m, ok := w.anyMiner()
	if !ok {
		return "", nil, nobody
	}
	return m.Address, &registrytypes.MsgUpdateMetadata{Miner: m.Address, Run: m.Run, Metadata: w.rand.StringN(1 + w.rand.Intn(300))}, ""
}

func unjail(w world) (string, *registrytypes.MsgUnjail, string) {
	miners, err := w.Registry.RunMiners(w, mainRun)
	must(err)
	run, err := w.Challenge.GetRun(w, mainRun)
	must(err)
	early := !w.often()
	m, ok := anyOf(w, slices.DeleteFunc(miners, func(m registrytypes.Miner) bool {
		return !m.Jailed || m.JailedUntilWindow > run.NextWindow && !early
	}))
	if !ok {
		return "", nil, "nobody is jailed"
	}
	return m.Address, &registrytypes.MsgUnjail{Miner: m.Address, Run: m.Run}, ""
}

func submitBeacon(w world) (string, *challengetypes.MsgSubmitBeacon, string) {
	rounds, err := w.Challenge.PendingRounds(w)
	must(err)
	round, ok := anyOf(w, rounds)
	if !ok {
		return "", nil, "no round is waited for"
	}
	sig, err := w.key.Sign(round)
	must(err)
	who := w.anyAccount()
	return who, &challengetypes.MsgSubmitBeacon{Submitter: who, Round: round, Signature: sig}, ""
}

func createRun(w world) (string, *challengetypes.MsgCreateRun, string) {
	who := w.anyAccount()
	p := runParams(w.rand.Rand)
	p.EmissionSharePpm = 0
	return who, &challengetypes.MsgCreateRun{
		Creator: who, Learner: w.anyAccount(), Name: "run " + w.rand.StringN(8), Params: p, Deposit: params.GAL(100).Add(w.gal(100)),
		BaseDigest: digest("base", w.rand.Int63()), BaseLocator: locator,
	}, ""
}

func updateRun(w world) (string, *challengetypes.MsgUpdateRun, string) {
	run := w.anyRun()
	p := runParams(w.rand.Rand)
	p.EmissionSharePpm = run.Params.EmissionSharePpm
	return run.Owner, &challengetypes.MsgUpdateRun{Owner: run.Owner, Run: run.Id, Learner: run.Learner, Params: p}, ""
}

func pauseRun(w world) (string, *challengetypes.MsgPauseRun, string) {
	run := w.runWith(challengetypes.RunStatus_RUN_STATUS_ACTIVE, mainRun)
	return run.Owner, &challengetypes.MsgPauseRun{Sender: run.Owner, Run: run.Id, Reason: "maintenance"}, ""
}

func resumeRun(w world) (string, *challengetypes.MsgResumeRun, string) {
	run := w.runWith(challengetypes.RunStatus_RUN_STATUS_PAUSED, 0)
	return run.Owner, &challengetypes.MsgResumeRun{Sender: run.Owner, Run: run.Id}, ""
}

func closeRun(w world) (string, *challengetypes.MsgCloseRun, string) {
	run := w.runWith(challengetypes.RunStatus_RUN_STATUS_ACTIVE, mainRun)
	if run.Id == mainRun {
		return "", nil, "run 1 stays open"
	}
	return run.Owner, &challengetypes.MsgCloseRun{Sender: run.Owner, Run: run.Id}, ""
}

// leaves of a miner's batch are bytes that do not decode.
func leaves(miner string, groups uint32) [][]byte {
	out := make([][]byte, groups*groupSize)
	for i := range out {
		out[i] = fmt.Appendf(nil, "rubbish %d of %s", i, miner)
	}
	return out
}

func commitRollouts(w world) (string, *rollouttypes.MsgCommitRollouts, string) {
	o, ok := anyOf(w, w.in(challengetypes.StageCommit))
	if !ok {
		return "", nil, "no window is in COMMIT"
	}
	frozen, err := w.Challenge.FrozenMiners(w, mainRun, o.Id)
	must(err)
	m, ok := anyOf(w, frozen)
	if !ok {
		return "", nil, nobody
	}
	groups := 1 + uint32(w.rand.Intn(int(m.DeclaredGroups)))
	return m.Address, &rollouttypes.MsgCommitRollouts{
		Miner: m.Address, Run: mainRun, Window: o.Id, CheckpointDigest: o.CheckpointDigest, ConformanceDigest: conformance,
		Root: merkle.HashFromByteSlices(leaves(m.Address, groups)), Groups: groups, Bytes: 10_000, Locator: locator,
	}, ""
}

// committed is a commitment to a window of run 1 that is past COMMIT.
func (w world) committed(closed bool) (rollouttypes.Commitment, bool) {
	o, ok := w.closed()
	if !closed {
		o, ok = anyOf(w, append(w.in(challengetypes.StageAudit), w.in(challengetypes.StageReveal)...))
	}
	if !ok {
		return rollouttypes.Commitment{}, false
	}
	all, err := w.Rollout.Commitments(w, mainRun, o.Id)
	must(err)
	return anyOf(w, all)
}

func submitEvidence(w world) (string, *rollouttypes.MsgSubmitEvidence, string) {
	c, ok := w.committed(w.rand.Intn(2) == 0)
	if !ok {
		return "", nil, "no commitment"
	}
	ls := leaves(c.Miner, c.Groups)
	_, proofs := merkle.ProofsFromByteSlices(ls)
	i := w.rand.Intn(len(ls))
	who := w.anyAccount()
	return who, &rollouttypes.MsgSubmitEvidence{
		Submitter: who, Run: mainRun, Window: c.Window, Miner: c.Miner, LeafIndex: uint64(i), Leaf: ls[i],
		Proof: rollouttypes.MerkleProof{
			Total: uint64(proofs[i].Total), Index: uint64(proofs[i].Index), LeafHash: proofs[i].LeafHash, Aunts: proofs[i].Aunts,
		},
	}, ""
}

func accuse(w world) (string, *rollouttypes.MsgAccuse, string) {
	c, ok := w.committed(true)
	if !ok {
		return "", nil, "no commitment"
	}
	who := w.anyAccount()
	return who, &rollouttypes.MsgAccuse{
		Accuser: who, Run: mainRun, Window: c.Window, Miner: c.Miner, Leaf: uint64(w.rand.Intn(int(c.Groups * groupSize))),
	}, ""
}

// grader is a random one of those frozen into a window of run 1, often one that did not
// do what done asks for.
func (w world) grader(window uint64, done func(sdk.ValAddress) (bool, error)) (who string, val sdk.ValAddress, ok bool) {
	all, err := w.Challenge.FrozenGraders(w, mainRun, window)
	must(err)
	if done != nil && w.often() {
		all = slices.DeleteFunc(all, func(g challengetypes.FrozenGrader) bool {
			val, err := sdk.ValAddressFromBech32(g.Address)
			must(err)
			has, err := done(val)
			must(err)
			return has
		})
	}
	g, ok := anyOf(w, all)
	if !ok {
		return "", nil, false
	}
	val, err = sdk.ValAddressFromBech32(g.Address)
	must(err)
	return sdk.AccAddress(val).String(), val, true
}

// verdicts are what all graders find in a window, so that the hash of AUDIT and the
// opening of REVEAL agree. One batch in eight is a fraud, one in eight cannot be had.
func (w world) verdicts(window uint64) settlementtypes.Verdicts {
	all, err := w.Rollout.Commitments(w, mainRun, window)
	must(err)
	var miners []settlementtypes.CommittedMiner
	var results []verify.Result
	var works [][]byte
	for _, c := range all {
		addr, err := sdk.AccAddressFromBech32(c.Miner)
		must(err)
		m, _, err := w.Challenge.FrozenMiner(w, mainRun, window, addr)
		must(err)
		miners = append(miners, settlementtypes.CommittedMiner{Address: addr, Groups: c.Groups, Declared: m.DeclaredGroups})
		code := verify.OK
		switch binary.BigEndian.Uint64(digest(window, c.Miner)) % 8 {
		case 0:
			code = verify.BadSample
		case 1:
			code = verify.Unavailable
		}
		results = append(results, verify.Result{Code: code})
		works = append(works, digest("work", window, c.Miner))
	}
	accused, err := w.Rollout.Accusations(w, mainRun, window)
	must(err)
	var judged []settlementtypes.AccusationVerdict
	for _, a := range accused {
		code := verify.OK
		if a.Id%2 == 0 {
			code = verify.BadSample
		}
		judged = append(judged, settlementtypes.AccusationVerdict{Id: a.Id, Code: settlementtypes.VerdictCode(code)})
	}
	v, err := settlementtypes.NewVerdicts(miners, results, works, judged, conformance)
	must(err)
	return v
}

func commitVerdicts(w world) (string, *settlementtypes.MsgCommitVerdicts, string) {
	o, ok := anyOf(w, w.in(challengetypes.StageAudit))
	if !ok {
		return "", nil, "no window is in AUDIT"
	}
	who, val, ok := w.grader(o.Id, func(val sdk.ValAddress) (bool, error) {
		return w.Settlement.Commits.Has(w, collections.Join3(mainRun, o.Id, val))
	})
	if !ok {
		return "", nil, "no grader"
	}
	v := w.verdicts(o.Id)
	hash, err := v.Hash(w.ChainID(), mainRun, o.Id, val, digest("salt", who))
	must(err)
	return who, &settlementtypes.MsgCommitVerdicts{Grader: who, Run: mainRun, Window: o.Id, Hash: hash}, ""
}

func revealVerdicts(w world) (string, *settlementtypes.MsgRevealVerdicts, string) {
	o, ok := anyOf(w, w.in(challengetypes.StageReveal))
	if !ok {
		return "", nil, "no window is in REVEAL"
	}
	who, _, ok := w.grader(o.Id, func(val sdk.ValAddress) (bool, error) {
		committed, err := w.Settlement.Commits.Has(w, collections.Join3(mainRun, o.Id, val))
		if err != nil || !committed {
			return true, err
		}
		return w.Settlement.Reveals.Has(w, collections.Join3(mainRun, o.Id, val))
	})
	if !ok {
		return "", nil, "no grader"
	}
	return who, &settlementtypes.MsgRevealVerdicts{
		Grader: who, Run: mainRun, Window: o.Id, Verdicts: w.verdicts(o.Id), Salt: digest("salt", who),
	}, ""
}

// claim is for a miner that has something to claim, or now and then for any.
func claim(w world) (string, *settlementtypes.MsgClaim, string) {
	p, err := w.Settlement.Params.Get(w)
	must(err)
	var owed *settlementtypes.Credit
	must(w.Settlement.Credits.Walk(w, nil, func(_ collections.Triple[uint64, sdk.AccAddress, uint64], c settlementtypes.Credit) (bool, error) {
		totals, err := w.Settlement.RunTotals(w, c.Run)
		if err == nil && c.Unlocked(totals, p.RewardLockWindows) {
			owed = &c
		}
		return owed != nil, err
	}))
	if owed != nil && w.often() {
		return owed.Miner, &settlementtypes.MsgClaim{Miner: owed.Miner, Run: owed.Run}, ""
	}
	m, ok := w.anyMiner()
	if !ok {
		return "", nil, nobody
	}
	return m.Address, &settlementtypes.MsgClaim{Miner: m.Address, Run: m.Run}, ""
}

func publish(w world) (string, *policytypes.MsgPublishCheckpoint, string) {
	o, ok := w.closed()
	if !ok {
		return "", nil, "no window is CLOSED"
	}
	run, err := w.Challenge.GetRun(w, mainRun)
	must(err)
	head, err := w.Policy.Head(w, mainRun)
	must(err)
	latest, err := w.Policy.Latest(w, mainRun)
	must(err)
	version := latest.Version + 1
	return run.Learner, &policytypes.MsgPublishCheckpoint{
		Learner: run.Learner, Run: mainRun, Version: version, ParentDigest: head.Digest, Digest: digest("checkpoint", version),
		Locator: locator, TrainedWindows: []uint64{o.Id}, RolloutSetDigest: digest("set", version), StateHash: digest("state", version),
		StepKey: secretOf(version).Key(), Evaluation: policytypes.Evaluation{Problems: o.Params.EvaluationProblems},
	}, ""
}

// ballot is a version of run 1 that graders vote on, often the oldest that is PENDING: later
// ones wait for it. voter is one of its graders, often one that has not voted.
func (w world) ballot() (c policytypes.Checkpoint, voter string, ok bool) {
	c, err := w.Policy.Head(w, mainRun)
	must(err)
	if w.often() {
		active, err := w.Policy.ActiveVersion(w, mainRun)
		must(err)
		for v := active.Version + 1; v < c.Version; v++ {
			if older, err := w.Policy.Checkpoint(w, mainRun, v); err == nil && older.Status == policytypes.CheckpointStatus_CHECKPOINT_STATUS_PENDING {
				c = older
				break
			}
		}
	}
	voter, _, ok = w.grader(c.GraderWindow, func(val sdk.ValAddress) (bool, error) {
		return w.Policy.Votes.Has(w, collections.Join3(mainRun, c.Version, policytypes.VoterKey(policytypes.BallotReview, val)))
	})
	return c, voter, ok && c.Version > 0
}

func attest(w world) (string, *policytypes.MsgAttestCheckpoint, string) {
	c, who, ok := w.ballot()
	if !ok {
		return "", nil, "nothing to attest"
	}
	account, err := sdk.AccAddressFromBech32(who)
	must(err)
	return who, &policytypes.MsgAttestCheckpoint{
		Grader: who, Run: mainRun, Version: c.Version, Digest: c.Digest, StateHash: c.StateHash,
		Proof: secretOf(c.Version).Attest(w.Context.ChainID(), mainRun, c.Version, account),
	}, ""
}

// secretOf is that of the step to a version.
func secretOf(version uint64) lineage.Secret { return lineage.Secret(digest("secret", version)) }

func reject(w world) (string, *policytypes.MsgRejectCheckpoint, string) {
	c, who, ok := w.ballot()
	if !ok {
		return "", nil, "nothing to reject"
	}
	return who, &policytypes.MsgRejectCheckpoint{Grader: who, Run: mainRun, Version: c.Version, Reason: "another digest"}, ""
}

func rollback(w world) (string, *policytypes.MsgRollbackCheckpoint, string) {
	active, err := w.Policy.ActiveVersion(w, mainRun)
	must(err)
	window, ok, err := w.Challenge.LatestGraders(w, mainRun)
	must(err)
	if !ok || active.Version == 0 {
		return "", nil, "nothing to roll back"
	}
	who, _, ok := w.grader(window, nil)
	if !ok {
		return "", nil, "no grader"
	}
	return who, &policytypes.MsgRollbackCheckpoint{Grader: who, Run: mainRun, Version: active.Version}, ""
}

// must stops a test whose own reading of the state fails.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
