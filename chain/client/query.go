package client

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	sdkmath "cosmossdk.io/math"
	"github.com/cosmos/gogoproto/proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/galahad-network/galahad/app/params"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// pageLimit is how many entries one page of a listing asks for.
const pageLimit = 500

// query calls one method of a module's Query service.
func (c *Client) query(ctx context.Context, method string, req, resp proto.Message) error {
	err := c.each(ctx, func(ctx context.Context, n node) error { return n.query(ctx, method, req, resp) })
	if status.Code(err) == codes.NotFound {
		return fmt.Errorf("%w: %s", ErrNotFound, status.Convert(err).Message())
	}
	return err
}

// ask is query for the modules of this chain, whose answers are named after the
// method.
func ask[Resp any, P interface {
	*Resp
	proto.Message
}](ctx context.Context, c *Client, module, method string, req proto.Message) (Resp, error) {
	var resp Resp
	err := c.query(ctx, "/galahad."+module+".v1.Query/"+method, req, P(&resp))
	if err != nil {
		for _, missing := range absences {
			// A registered error crosses gRPC as text only.
			if !errors.Is(err, ErrNotFound) && strings.Contains(err.Error(), missing.Error()) {
				err = fmt.Errorf("%w: %w", ErrNotFound, err)
			}
		}
		return resp, fmt.Errorf("%s %s: %w", module, method, err)
	}
	return resp, nil
}

// absences are the modules' errors for what does not exist, or not yet.
var absences = []error{
	challengetypes.ErrRunNotFound, challengetypes.ErrWindowNotFound, challengetypes.ErrBeaconNotFound,
	policytypes.ErrCheckpointNotFound, registrytypes.ErrNotRegistered, rollouttypes.ErrNotFound, rollouttypes.ErrEvidenceNotFound,
	settlementtypes.ErrNotSettled,
}

// found turns ErrNotFound into false.
func found(err error) (bool, error) {
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Run returns a run with its current parameters.
func (c *Client) Run(ctx context.Context, run uint64) (challengetypes.Run, error) {
	r, err := ask[challengetypes.QueryRunResponse](ctx, c, "challenge", "Run", &challengetypes.QueryRunRequest{Run: run})
	return r.Run, err
}

// ChallengeParams returns the challenge module's parameters, the beacon among them.
func (c *Client) ChallengeParams(ctx context.Context) (challengetypes.Params, error) {
	r, err := ask[challengetypes.QueryParamsResponse](ctx, c, "challenge", "Params", &challengetypes.QueryParamsRequest{})
	return r.Params, err
}

// Window returns a window and its stage. Error: ErrNotFound.
func (c *Client) Window(ctx context.Context, run, window uint64) (challengetypes.WindowStatus, error) {
	r, err := ask[challengetypes.QueryWindowResponse](ctx, c, "challenge", "Window", &challengetypes.QueryWindowRequest{Run: run, Window: window})
	return r.Status, err
}

// LatestWindow returns the newest window of a run. Error: ErrNotFound.
func (c *Client) LatestWindow(ctx context.Context, run uint64) (challengetypes.WindowStatus, error) {
	r, err := ask[challengetypes.QueryWindowResponse](ctx, c, "challenge", "Window", &challengetypes.QueryWindowRequest{Run: run, Latest: true})
	return r.Status, err
}

// OpenWindows returns the windows that are neither CLOSED nor VOID, oldest first.
func (c *Client) OpenWindows(ctx context.Context, run uint64) ([]challengetypes.WindowStatus, error) {
	r, err := ask[challengetypes.QueryOpenWindowsResponse](ctx, c, "challenge", "OpenWindows", &challengetypes.QueryOpenWindowsRequest{Run: run})
	return r.Windows, err
}

// WindowMiners returns the frozen miners of a window by address.
func (c *Client) WindowMiners(ctx context.Context, run, window uint64) ([]challengetypes.FrozenMiner, error) {
	r, err := ask[challengetypes.QueryWindowMinersResponse](ctx, c, "challenge", "WindowMiners", &challengetypes.QueryWindowMinersRequest{Run: run, Window: window})
	return r.Miners, err
}

// WindowGraders returns the frozen graders of a window by address.
func (c *Client) WindowGraders(ctx context.Context, run, window uint64) ([]challengetypes.FrozenGrader, error) {
	r, err := ask[challengetypes.QueryWindowGradersResponse](ctx, c, "challenge", "WindowGraders", &challengetypes.QueryWindowGradersRequest{Run: run, Window: window})
	return r.Graders, err
}

// PendingRounds returns the beacon rounds that windows wait for, ascending.
func (c *Client) PendingRounds(ctx context.Context) ([]uint64, error) {
	r, err := ask[challengetypes.QueryPendingRoundsResponse](ctx, c, "challenge", "PendingRounds", &challengetypes.QueryPendingRoundsRequest{})
	return r.Rounds, err
}

// Miner returns a registration with its locks; ok is false if there is none.
func (c *Client) Miner(ctx context.Context, run uint64, address sdk.AccAddress) (m registrytypes.QueryMinerResponse, ok bool, err error) {
	m, err = ask[registrytypes.QueryMinerResponse](ctx, c, "registry", "Miner", &registrytypes.QueryMinerRequest{Run: run, Address: address.String()})
	ok, err = found(err)
	return m, ok, err
}

// RegistrationPrice returns what a place in a run costs now, and whose place it would be.
func (c *Client) RegistrationPrice(ctx context.Context, run uint64) (registrytypes.QueryPriceResponse, error) {
	return ask[registrytypes.QueryPriceResponse](ctx, c, "registry", "Price", &registrytypes.QueryPriceRequest{Run: run})
}

// RegistryParams returns the registry's parameters.
func (c *Client) RegistryParams(ctx context.Context) (registrytypes.Params, error) {
	r, err := ask[registrytypes.QueryParamsResponse](ctx, c, "registry", "Params", &registrytypes.QueryParamsRequest{})
	return r.Params, err
}

// Commitment returns a miner's commitment to a window; ok is false if there is none.
func (c *Client) Commitment(ctx context.Context, run, window uint64, miner sdk.AccAddress) (m rollouttypes.Commitment, ok bool, err error) {
	r, err := ask[rollouttypes.QueryCommitmentResponse](ctx, c, "rollout", "Commitment",
		&rollouttypes.QueryCommitmentRequest{Run: run, Window: window, Miner: miner.String()})
	ok, err = found(err)
	return r.Commitment, ok, err
}

// Commitments returns all commitments of a window by miner address, and the sum
// of their groups.
func (c *Client) Commitments(ctx context.Context, run, window uint64) (all []rollouttypes.Commitment, groups uint64, err error) {
	page := &query.PageRequest{Limit: pageLimit}
	for {
		r, err := ask[rollouttypes.QueryCommitmentsResponse](ctx, c, "rollout", "Commitments",
			&rollouttypes.QueryCommitmentsRequest{Run: run, Window: window, Pagination: page})
		if err != nil {
			return nil, 0, err
		}
		all, groups = append(all, r.Commitments...), r.TotalGroups
		if r.Pagination == nil || len(r.Pagination.NextKey) == 0 {
			return all, groups, nil
		}
		page = &query.PageRequest{Key: r.Pagination.NextKey, Limit: pageLimit}
	}
}

// Evidence returns what was proven against a miner in a window; ok is false if nothing was.
func (c *Client) Evidence(ctx context.Context, run, window uint64, miner sdk.AccAddress) (e rollouttypes.Evidence, ok bool, err error) {
	r, err := ask[rollouttypes.QueryEvidenceResponse](ctx, c, "rollout", "Evidence",
		&rollouttypes.QueryEvidenceRequest{Run: run, Window: window, Miner: miner.String()})
	ok, err = found(err)
	return r.Evidence, ok, err
}

// Accusations returns the accusations that a window judges, by id.
func (c *Client) Accusations(ctx context.Context, run, judgeWindow uint64) (all []rollouttypes.Accusation, err error) {
	page := &query.PageRequest{Limit: pageLimit}
	for {
		r, err := ask[rollouttypes.QueryAccusationsResponse](ctx, c, "rollout", "Accusations",
			&rollouttypes.QueryAccusationsRequest{Run: run, JudgeWindow: judgeWindow, Pagination: page})
		if err != nil {
			return nil, err
		}
		all = append(all, r.Accusations...)
		if r.Pagination == nil || len(r.Pagination.NextKey) == 0 {
			return all, nil
		}
		page = &query.PageRequest{Key: r.Pagination.NextKey, Limit: pageLimit}
	}
}

// Tokenizer returns the tokenizer file that a run registered; ok is false if it did not.
func (c *Client) Tokenizer(ctx context.Context, run uint64) (file []byte, ok bool, err error) {
	r, err := ask[challengetypes.QueryTokenizerResponse](ctx, c, "challenge", "Tokenizer", &challengetypes.QueryTokenizerRequest{Run: run})
	ok, err = found(err)
	return r.File, ok, err
}

// Checkpoint returns a version of a run's policy; ok is false if there is none.
func (c *Client) Checkpoint(ctx context.Context, run, version uint64) (m policytypes.Checkpoint, ok bool, err error) {
	r, err := ask[policytypes.QueryCheckpointResponse](ctx, c, "policy", "Checkpoint", &policytypes.QueryCheckpointRequest{Run: run, Version: version})
	ok, err = found(err)
	return r.Checkpoint, ok, err
}

// ActiveCheckpoint returns the checkpoint that a window freezing now would take,
// and the newest published one.
func (c *Client) ActiveCheckpoint(ctx context.Context, run uint64) (active, latest policytypes.Checkpoint, err error) {
	r, err := ask[policytypes.QueryActiveResponse](ctx, c, "policy", "Active", &policytypes.QueryActiveRequest{Run: run})
	return r.Active, r.Latest, err
}

// HeadCheckpoint returns the newest checkpoint that was neither rejected nor rolled
// back: the parent of the next one.
func (c *Client) HeadCheckpoint(ctx context.Context, run uint64) (policytypes.Checkpoint, error) {
	r, err := ask[policytypes.QueryActiveResponse](ctx, c, "policy", "Active", &policytypes.QueryActiveRequest{Run: run})
	return r.Head, err
}

// Settlement returns a window's result with all its miners and graders. Error:
// ErrNotFound as long as the window is not settled.
func (c *Client) Settlement(ctx context.Context, run, window uint64) (settlementtypes.QueryWindowResponse, error) {
	return ask[settlementtypes.QueryWindowResponse](ctx, c, "settlement", "Window", &settlementtypes.QueryWindowRequest{Run: run, Window: window})
}

// VerdictCommits returns the graders' hashes of a window.
func (c *Client) VerdictCommits(ctx context.Context, run, window uint64) ([]settlementtypes.VerdictCommit, error) {
	r, err := ask[settlementtypes.QueryCommitsResponse](ctx, c, "settlement", "Commits", &settlementtypes.QueryCommitsRequest{Run: run, Window: window})
	return r.Commits, err
}

// VerdictReveals returns what graders opened for a window.
func (c *Client) VerdictReveals(ctx context.Context, run, window uint64) ([]settlementtypes.VerdictReveal, error) {
	r, err := ask[settlementtypes.QueryRevealsResponse](ctx, c, "settlement", "Reveals", &settlementtypes.QueryRevealsRequest{Run: run, Window: window})
	return r.Reveals, err
}

// Credits returns a miner's unclaimed pay.
func (c *Client) Credits(ctx context.Context, run uint64, miner sdk.AccAddress) (settlementtypes.QueryCreditsResponse, error) {
	return ask[settlementtypes.QueryCreditsResponse](ctx, c, "settlement", "Credits", &settlementtypes.QueryCreditsRequest{Run: run, Miner: miner.String()})
}

// Scores returns what the miners of a run earned over its last windows.
func (c *Client) Scores(ctx context.Context, run uint64, windows uint32) ([]settlementtypes.Score, error) {
	r, err := ask[settlementtypes.QueryScoresResponse](ctx, c, "settlement", "Scores", &settlementtypes.QueryScoresRequest{Run: run, Windows: windows})
	return r.Scores, err
}

// Metagraph returns every miner and grader of a run.
func (c *Client) Metagraph(ctx context.Context, run uint64) (settlementtypes.QueryMetagraphResponse, error) {
	return ask[settlementtypes.QueryMetagraphResponse](ctx, c, "settlement", "Metagraph", &settlementtypes.QueryMetagraphRequest{Run: run})
}

// RunTotals returns a run's running sums.
func (c *Client) RunTotals(ctx context.Context, run uint64) (settlementtypes.RunTotals, error) {
	r, err := ask[settlementtypes.QueryTotalsResponse](ctx, c, "settlement", "Totals", &settlementtypes.QueryTotalsRequest{Run: run})
	return r.Totals, err
}

// Balance returns an account's coins in agal.
func (c *Client) Balance(ctx context.Context, address sdk.AccAddress) (sdkmath.Int, error) {
	var resp banktypes.QueryBalanceResponse
	err := c.query(ctx, "/cosmos.bank.v1beta1.Query/Balance", &banktypes.QueryBalanceRequest{Address: address.String(), Denom: params.BaseDenom}, &resp)
	if err != nil || resp.Balance == nil {
		return sdkmath.ZeroInt(), err
	}
	return resp.Balance.Amount, nil
}

// Account returns an account's number and next sequence. Error: ErrNotFound.
func (c *Client) Account(ctx context.Context, address sdk.AccAddress) (number, sequence uint64, err error) {
	var resp authtypes.QueryAccountInfoResponse
	err = c.query(ctx, "/cosmos.auth.v1beta1.Query/AccountInfo", &authtypes.QueryAccountInfoRequest{Address: address.String()}, &resp)
	if err != nil {
		return 0, 0, err
	}
	if resp.Info == nil {
		return 0, 0, ErrNotFound
	}
	return resp.Info.AccountNumber, resp.Info.Sequence, nil
}

// txHash is CometBFT's hash of a transaction.
func txHash(raw []byte) []byte {
	h := sha256.Sum256(raw)
	return h[:]
}
