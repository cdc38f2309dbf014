package testapp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtcrypto "github.com/cometbft/cometbft/crypto/encoding"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"google.golang.org/grpc"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app"
	"github.com/galahad-network/galahad/app/params"
)

// invariantChecker is a keeper that can say whether its state adds up.
type invariantChecker interface {
	CheckInvariants(ctx context.Context) error
}

// CheckInvariants fails the test if coins do not add up to the supply, a module's
// CheckInvariants finds its state wrong, or a module's store holds an entry that
// none of its collections owns.
func (c *Chain) CheckInvariants() {
	c.T.Helper()
	if err := invariants(c.Context(), c.App); err != nil {
		c.T.Fatalf("testapp: after block %d: %v", c.height, err)
	}
}

func invariants(ctx sdk.Context, a *app.App) error {
	var errs []error
	sum := sdkmath.ZeroInt()
	a.Bank.IterateAllBalances(ctx, func(_ sdk.AccAddress, coin sdk.Coin) bool {
		if coin.Denom == params.BaseDenom {
			sum = sum.Add(coin.Amount)
		}
		return false
	})
	if supply := a.Bank.GetSupply(ctx, params.BaseDenom).Amount; !supply.Equal(sum) {
		errs = append(errs, fmt.Errorf("supply is %s and balances add up to %s", supply, sum))
	}
	for _, k := range a.GalahadKeepers() {
		if k, ok := k.(invariantChecker); ok {
			errs = append(errs, k.CheckInvariants(ctx))
		}
	}
	errs = append(errs, orphanKeys(ctx, a))
	return errors.Join(errs...)
}

// CheckExport exports the state, starts a fresh application from it and exports
// again: every module's state must come back as it was, with the same validators.
func (c *Chain) CheckExport() {
	c.T.Helper()
	exported, err := c.App.Export(false, nil)
	if err != nil {
		c.T.Fatalf("testapp: %v", err)
	}
	fresh := newInstance(c.T, plain, c.cfg.chainID, "")
	req := &abci.RequestInitChain{
		Time: c.time, ChainId: c.cfg.chainID, InitialHeight: exported.Height,
		ConsensusParams: &exported.ConsensusParams, AppStateBytes: exported.AppState,
	}
	for _, v := range exported.Validators {
		key, err := cmtcrypto.PubKeyToProto(v.PubKey)
		if err != nil {
			c.T.Fatalf("testapp: exported validator: %v", err)
		}
		req.Validators = append(req.Validators, abci.ValidatorUpdate{PubKey: key, Power: v.Power})
	}
	if _, err := fresh.InitChain(req); err != nil {
		c.T.Fatalf("testapp: InitChain from the exported state: %v", err)
	}
	// Not committed yet: this is the state that the first block would start from.
	ctx := fresh.NewContextLegacy(false, cmtproto.Header{ChainID: c.cfg.chainID, Height: exported.Height, Time: c.time})
	again, err := fresh.Modules().ExportGenesis(ctx, fresh.Codec())
	if err != nil {
		c.T.Fatalf("testapp: export of the imported state: %v", err)
	}
	var want map[string]json.RawMessage
	if err := json.Unmarshal(exported.AppState, &want); err != nil {
		c.T.Fatalf("testapp: exported state: %v", err)
	}
	if err := sameState(want, again); err != nil {
		c.T.Fatalf("testapp: export -> import -> export changed the state: %v", err)
	}
	if err := invariants(ctx, fresh.App); err != nil {
		c.T.Fatalf("testapp: imported state: %v", err)
	}
}

// sameState names the modules whose JSON differs.
func sameState(want, got map[string]json.RawMessage) error {
	names := map[string]bool{}
	for n := range want {
		names[n] = true
	}
	for n := range got {
		names[n] = true
	}
	var errs []error
	for n := range names {
		a, err := canonical(want[n])
		if err != nil {
			return err
		}
		b, err := canonical(got[n])
		if err != nil {
			return err
		}
		if !bytes.Equal(a, b) {
			errs = append(errs, fmt.Errorf("module %s:\nbefore %s\nafter  %s", n, a, b))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return bytes.Compare([]byte(a.Error()), []byte(b.Error())) })
	return errors.Join(errs...)
}

// canonical returns raw with sorted keys and no spaces.
func canonical(raw json.RawMessage) ([]byte, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// Invoke makes a Chain a gRPC connection for query clients: the call is an ABCI
// query of the state after the last block.
func (c *Chain) Invoke(_ context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	req, ok := args.(interface{ Marshal() ([]byte, error) })
	if !ok {
		return fmt.Errorf("testapp: %s: request %T is not a gogoproto message", method, args)
	}
	data, err := req.Marshal()
	if err != nil {
		return err
	}
	res, err := c.App.Query(context.Background(), &abci.RequestQuery{Path: method, Data: data, Height: c.height})
	if err != nil {
		return err
	}
	if res.Code != 0 {
		return fmt.Errorf("testapp: %s: %s (codespace %s, code %d)", method, res.Log, res.Codespace, res.Code)
	}
	out, ok := reply.(interface{ Unmarshal([]byte) error })
	if !ok {
		return fmt.Errorf("testapp: %s: reply %T is not a gogoproto message", method, reply)
	}
	return out.Unmarshal(res.Value)
}

// NewStream is not supported: the modules' queries are unary.
func (c *Chain) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("testapp: streams are not supported")
}

var _ grpc.ClientConnInterface = (*Chain)(nil)
