package app_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"testing"
	"time"

	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	"github.com/cosmos/cosmos-sdk/x/authz"
	"github.com/cosmos/gogoproto/proto"

	"github.com/galahad-network/galahad/app"
	"github.com/galahad-network/galahad/app/params"
	testapp "github.com/galahad-network/galahad/testutil/app"
	"github.com/galahad-network/galahad/testutil/story"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// moment is a state of the story in which some messages are valid.
type moment struct {
	*story.Story
	name  string
	bases func() []base

	signed int
}

// base is a message that its handler accepts, and who signs it; nobody can sign for
// governance.
type base struct {
	signer *testapp.Account
	msg    sdk.Msg
	// prepare brings a branch of the state to where the message is valid, for what a
	// story does not come to; such a base is tried without transactions.
	prepare func(ctx sdk.Context)
}

// moments are states in which, together, every message is valid. A new message needs
// a base here; TestAudit_E28 says so.
func moments(t testing.TB, opts ...testapp.Option) []*moment {
	t.Helper()
	opts = append([]testapp.Option{testapp.WithRestarts(0, 64)}, opts...)
	quiet := &moment{Story: story.New(t, 3, opts...), name: "three windows settled, COMMIT and AUDIT"}
	quiet.UntilClosed(0)
	quiet.MustDeliver(quiet.Learner, quiet.Checkpoint(1, 0))
	quiet.UntilClosed(2) // so that the credit of window 0 is unlocked
	quiet.Until("the end of an AUDIT", func() bool {
		_, audit := quiet.In(challengetypes.StageAudit)
		return !audit
	})
	quiet.Until("COMMIT beside AUDIT", func() bool {
		_, commit := quiet.In(challengetypes.StageCommit)
		_, audit := quiet.In(challengetypes.StageAudit)
		return commit && audit
	})
	quiet.MustDeliver(quiet.Learner, quiet.Checkpoint(2, 1))
	quiet.bases = func() []base { return quietBases(t, quiet) }

	reveal := &moment{Story: story.New(t, 3, opts...), name: "REVEAL"}
	reveal.Until("REVEAL", func() bool {
		_, ok := reveal.In(challengetypes.StageReveal)
		return ok
	})
	reveal.bases = func() []base {
		w, _ := reveal.In(challengetypes.StageReveal)
		return []base{{signer: reveal.Validators[0].Account, msg: reveal.Verdicts(w, 0)}}
	}

	waiting := &moment{Story: story.New(t, 1, opts...), name: "a round is waited for"}
	waiting.Until("a round", func() bool { return len(waiting.Rounds()) > 0 })
	waiting.bases = func() []base { return []base{{signer: waiting.Relay, msg: waiting.Rounds()[0]}} }
	return []*moment{quiet, reveal, waiting}
}

func quietBases(t testing.TB, s *moment) []base {
	t.Helper()
	commit, _ := s.In(challengetypes.StageCommit)
	audit, _ := s.In(challengetypes.StageAudit)
	closed := audit.Id - 1
	for w, _ := s.Window(closed); w.ClosedHeight == 0; w, _ = s.Window(closed) {
		closed--
	}
	m, g, stranger := s.Miners[0], s.Validators[0], s.Account("stranger")
	gov := app.Authority()
	ctx := s.Context()
	var bases []base
	add := func(signer *testapp.Account, msg sdk.Msg) { bases = append(bases, base{signer: signer, msg: msg}) }

	add(stranger, &registrytypes.MsgRegister{
		Miner: stranger.String(), Run: story.Run, Bond: params.GAL(100), Endpoint: story.Endpoint, DeclaredGroups: 2,
		LimitPrice: registrytypes.MaxPrice(), Metadata: "who I am",
	})
	add(m, &registrytypes.MsgUpdateMetadata{Miner: m.String(), Run: story.Run, Metadata: "who I am"})
	bases = append(bases, base{signer: m, msg: &registrytypes.MsgUnjail{Miner: m.String(), Run: story.Run}, prepare: func(ctx sdk.Context) {
		require.NoError(t, s.App.Registry.Jail(ctx, story.Run, m.Address, 1))
	}})
	add(m, &registrytypes.MsgBond{Miner: m.String(), Run: story.Run, Amount: params.GAL(1)})
	add(m, &registrytypes.MsgUnbond{Miner: m.String(), Run: story.Run, Amount: params.GAL(1)})
	add(m, &registrytypes.MsgUpdateEndpoint{Miner: m.String(), Run: story.Run, Endpoint: story.Endpoint + "/new"})
	add(m, &registrytypes.MsgDeclareGroups{Miner: m.String(), Run: story.Run, DeclaredGroups: 3})
	rp, err := s.App.Registry.Params.Get(ctx)
	require.NoError(t, err)
	add(nil, &registrytypes.MsgUpdateParams{Authority: gov, Params: rp})

	cp, err := s.App.Challenge.Params.Get(ctx)
	require.NoError(t, err)
	add(nil, &challengetypes.MsgUpdateParams{Authority: gov, Params: cp})
	run, err := s.App.Challenge.Runs.Get(ctx, story.Run)
	require.NoError(t, err)
	own := run.Params
	own.EmissionSharePpm = 0
	add(stranger, &challengetypes.MsgCreateRun{
		Creator: stranger.String(), Learner: stranger.String(), Name: "another", Params: own, Deposit: cp.RunDeposit,
		BaseDigest: story.Digest(9), BaseLocator: story.Locator,
	})
	owner := s.Learner
	add(owner, &challengetypes.MsgUpdateRun{Owner: owner.String(), Run: story.Run, Learner: owner.String(), Params: run.Params})
	add(owner, &challengetypes.MsgPauseRun{Sender: owner.String(), Run: story.Run, Reason: "a rest"})
	bases = append(bases, base{signer: owner, msg: &challengetypes.MsgResumeRun{Sender: owner.String(), Run: story.Run}, prepare: func(ctx sdk.Context) {
		require.NoError(t, handle(s.Chain, ctx, &challengetypes.MsgPauseRun{Sender: owner.String(), Run: story.Run, Reason: "a rest"}))
	}})
	add(owner, &challengetypes.MsgCloseRun{Sender: owner.String(), Run: story.Run})
	add(nil, &challengetypes.MsgSetEmissionShare{Authority: gov, Run: story.Run, Ppm: 500_000})

	add(s.Learner, s.Checkpoint(3, 2))
	add(g.Account, &policytypes.MsgAttestCheckpoint{
		Grader: g.String(), Run: story.Run, Version: 2, Digest: story.Digest(2), StateHash: story.Digest(2),
		Proof: story.StepSecret(2).Attest(s.ChainID(), story.Run, 2, g.Operator),
	})
	add(g.Account, &policytypes.MsgRejectCheckpoint{Grader: g.String(), Run: story.Run, Version: 2, Reason: "it does not replay"})
	add(g.Account, &policytypes.MsgRollbackCheckpoint{Grader: g.String(), Run: story.Run, Version: 1})
	pp, err := s.App.Policy.Params.Get(ctx)
	require.NoError(t, err)
	add(nil, &policytypes.MsgUpdateParams{Authority: gov, Params: pp})

	add(m, s.Commitment(commit, 0))
	add(stranger, story.Evidence(stranger, m, 0, audit.Id))
	add(stranger, &rollouttypes.MsgAccuse{Accuser: stranger.String(), Run: story.Run, Window: closed, Miner: m.String(), Leaf: 7})
	withdraw := &rollouttypes.MsgWithdrawAccusation{Accuser: stranger.String(), Run: story.Run}
	bases = append(bases, base{signer: stranger, msg: withdraw, prepare: func(ctx sdk.Context) {
		require.NoError(t, handle(s.Chain, ctx, &rollouttypes.MsgAccuse{
			Accuser: stranger.String(), Run: story.Run, Window: closed, Miner: m.String(), Leaf: 8,
		}))
		a := onlyAccusation(t, s.App, ctx)
		withdraw.Id = a.Id
		run, err := s.App.Challenge.Runs.Get(ctx, story.Run)
		require.NoError(t, err)
		run.Status, run.NextWindow = challengetypes.RunStatus_RUN_STATUS_CLOSED, a.JudgeWindow // closed before it could be judged
		require.NoError(t, s.App.Challenge.Runs.Set(ctx, story.Run, run))
	}})
	op, err := s.App.Rollout.Params.Get(ctx)
	require.NoError(t, err)
	add(nil, &rollouttypes.MsgUpdateParams{Authority: gov, Params: op})

	add(g.Account, s.VerdictHash(audit, 0))
	add(m, &settlementtypes.MsgClaim{Miner: m.String(), Run: story.Run})
	sp, err := s.App.Settlement.Params.Get(ctx)
	require.NoError(t, err)
	add(nil, &settlementtypes.MsgUpdateParams{Authority: gov, Params: sp})
	return bases
}

// next is a branch of the state as the next block's messages see it.
func (m *moment) next() sdk.Context { return m.Context().WithBlockHeight(m.Height() + 1) }

// somebodyElse is an account that does not sign a base.
func (m *moment) somebodyElse(b base) *testapp.Account {
	if stranger := m.Account("stranger"); b.signer == nil || b.signer.Name != stranger.Name {
		return stranger
	}
	return m.Relay
}

// onlyAccusation is the one in the state.
func onlyAccusation(t testing.TB, a *app.App, ctx sdk.Context) rollouttypes.Accusation {
	t.Helper()
	it, err := a.Rollout.AccusationsByID.Iterate(ctx, nil)
	require.NoError(t, err)
	all, err := it.Values()
	require.NoError(t, err)
	require.Len(t, all, 1)
	return all[0]
}

// exec wraps a message for authz, whatever is in it.
func (m *moment) exec(grantee *testapp.Account, msg sdk.Msg) sdk.Msg {
	value, err := proto.Marshal(msg)
	if err != nil {
		value = nil // what cannot be encoded arrives as nothing
	}
	return &authz.MsgExec{Grantee: grantee.String(), Msgs: []*codectypes.Any{{TypeUrl: sdk.MsgTypeURL(msg), Value: value}}}
}

// rawTx signs a transaction as any program can, without the checks of a client.
func (m *moment) rawTx(signer *testapp.Account, msgs ...sdk.Msg) []byte {
	m.T.Helper()
	var anys []*codectypes.Any
	for _, msg := range msgs {
		value, err := proto.Marshal(msg)
		if err != nil {
			value = nil
		}
		anys = append(anys, &codectypes.Any{TypeUrl: sdk.MsgTypeURL(msg), Value: value})
	}
	return m.signAnys(signer, anys)
}

// rawTxOf is rawTx of one message that is bytes already.
func (m *moment) rawTxOf(signer *testapp.Account, url string, value []byte) []byte {
	m.T.Helper()
	return m.signAnys(signer, []*codectypes.Any{{TypeUrl: url, Value: value}})
}

// signAnys signs an unordered transaction, which needs no sequence: those of a block
// then fail or succeed each for itself.
func (m *moment) signAnys(signer *testapp.Account, msgs []*codectypes.Any) []byte {
	m.T.Helper()
	m.signed++
	expires := m.Time().Add(time.Minute + time.Duration(m.signed))
	body, err := proto.Marshal(&txtypes.TxBody{Messages: msgs, Unordered: true, TimeoutTimestamp: &expires})
	require.NoError(m.T, err)
	key, err := codectypes.NewAnyWithValue(signer.Key.PubKey())
	require.NoError(m.T, err)
	account := m.App.Account.GetAccount(m.Context(), signer.Address)
	info, err := proto.Marshal(&txtypes.AuthInfo{
		SignerInfos: []*txtypes.SignerInfo{{
			PublicKey: key,
			ModeInfo:  &txtypes.ModeInfo{Sum: &txtypes.ModeInfo_Single_{Single: &txtypes.ModeInfo_Single{Mode: signing.SignMode_SIGN_MODE_DIRECT}}},
		}},
		Fee: &txtypes.Fee{GasLimit: 1_000_000},
	})
	require.NoError(m.T, err)
	doc, err := proto.Marshal(&txtypes.SignDoc{BodyBytes: body, AuthInfoBytes: info, ChainId: m.ChainID(), AccountNumber: account.GetAccountNumber()})
	require.NoError(m.T, err)
	sig, err := signer.Key.Sign(doc)
	require.NoError(m.T, err)
	raw, err := proto.Marshal(&txtypes.TxRaw{BodyBytes: body, AuthInfoBytes: info, Signatures: [][]byte{sig}})
	require.NoError(m.T, err)
	return raw
}

// stateHash covers entries with their lengths.
type stateHash struct{ hash.Hash }

func newHash() stateHash { return stateHash{sha256.New()} }

func (h stateHash) put(parts ...[]byte) {
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write(p)
	}
}

func (h stateHash) String() string { return hex.EncodeToString(h.Sum(nil)) }
