package keeper_test

import (
	"context"
	"strings"
	"testing"

	sdkmath "cosmossdk.io/math"
	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/types/bech32"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/testutil/xtest"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/internal/locator"
	"github.com/galahad-network/galahad/x/registry/types"
)

func upperCase(addr sdk.AccAddress) string { return strings.ToUpper(addr.String()) }

// badAddresses are no account addresses of this chain.
func badAddresses(t *testing.T, addr sdk.AccAddress) []string {
	other, err := bech32.ConvertAndEncode("cosmos", addr)
	require.NoError(t, err)
	mixed := addr.String()
	mixed = mixed[:len(mixed)-4] + strings.ToUpper(mixed[len(mixed)-4:])
	return []string{
		"", " ", "galahad1", "not bech32", other, sdk.ValAddress(addr).String(), sdk.ConsAddress(addr).String(),
		mixed + "Q", addr.String()[:len(addr.String())-1], strings.Repeat("galahad1", 1000),
	}
}

// badAmounts are refused as any amount.
func badAmounts() []sdkmath.Int {
	return []sdkmath.Int{{}, sdkmath.ZeroInt(), sdkmath.NewInt(-1), params.GAL(-16)}
}

// hugeAmount is 2^256 - 1, the largest Int there is.
func hugeAmount(t *testing.T) sdkmath.Int {
	i, ok := sdkmath.NewIntFromString("115792089237316195423570985008687907853269984665640564039457584007913129639935")
	require.True(t, ok)
	return i
}

func badEndpoints() []string {
	return []string{
		"", "127.0.0.1", "ftp://a", "file:///a", "http://", "http://a b", "http://user:pass@a", "http://a/\x00",
		"http://a/" + strings.Repeat("x", 256), "http://a/" + strings.Repeat("x", locator.MaxLength),
	}
}

func TestRegisterRefusesBadFieldsAndKeepsTheState(t *testing.T) {
	s := newSuite(t)
	good := func() *types.MsgRegister {
		return &types.MsgRegister{Miner: s.alice.String(), Run: 1, Bond: params.GAL(16), Endpoint: "http://a", DeclaredGroups: 1, LimitPrice: types.MaxPrice()}
	}
	refuse := func(want error, change func(*types.MsgRegister)) {
		t.Helper()
		msg := good()
		change(msg)
		s.RequireUnchanged(want, func(ctx context.Context) error {
			_, err := s.msgs.Register(ctx, msg)
			return err
		})
	}
	for _, a := range badAddresses(t, s.alice) {
		refuse(types.ErrInvalidAddress, func(m *types.MsgRegister) { m.Miner = a })
	}
	for _, run := range []uint64{0, 2, 1<<64 - 1} {
		refuse(challengetypes.ErrRunNotFound, func(m *types.MsgRegister) { m.Run = run })
	}
	for _, a := range badAmounts() {
		refuse(types.ErrInvalidAmount, func(m *types.MsgRegister) { m.Bond = a })
	}
	refuse(types.ErrInsufficientBond, func(m *types.MsgRegister) { m.Bond = params.GAL(16).SubRaw(1) })
	refuse(sdkerrors.ErrInsufficientFunds, func(m *types.MsgRegister) { m.Bond = params.GAL(1001) })
	refuse(sdkerrors.ErrInsufficientFunds, func(m *types.MsgRegister) { m.Bond = hugeAmount(t) })
	for _, e := range badEndpoints() {
		refuse(types.ErrInvalidEndpoint, func(m *types.MsgRegister) { m.Endpoint = e })
	}
	for _, n := range []uint32{0, 17, 1<<32 - 1} {
		refuse(types.ErrInvalidGroups, func(m *types.MsgRegister) { m.DeclaredGroups = n })
	}
	_, err := s.msgs.Register(s.Ctx, good())
	require.NoError(t, err, "the unchanged message is good")
	refuse(types.ErrAlreadyRegistered, func(*types.MsgRegister) {})
}

func TestBondRefusesBadFieldsAndKeepsTheState(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 16, 1)
	refuse := func(want error, change func(*types.MsgBond)) {
		t.Helper()
		msg := &types.MsgBond{Miner: s.alice.String(), Run: 1, Amount: params.GAL(1)}
		change(msg)
		s.RequireUnchanged(want, func(ctx context.Context) error {
			_, err := s.msgs.Bond(ctx, msg)
			return err
		})
	}
	for _, a := range badAddresses(t, s.alice) {
		refuse(types.ErrInvalidAddress, func(m *types.MsgBond) { m.Miner = a })
	}
	for _, a := range badAmounts() {
		refuse(types.ErrInvalidAmount, func(m *types.MsgBond) { m.Amount = a })
	}
	refuse(types.ErrInvalidAmount, func(m *types.MsgBond) { m.Amount = hugeAmount(t) }) // the sum would not fit
	refuse(types.ErrNotRegistered, func(m *types.MsgBond) { m.Run = 2 })
	refuse(types.ErrNotRegistered, func(m *types.MsgBond) { m.Miner = s.bob.String() })
	refuse(sdkerrors.ErrInsufficientFunds, func(m *types.MsgBond) { m.Amount = params.GAL(985) })
}

func TestUnbondRefusesBadFieldsAndKeepsTheState(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 40, 1)
	require.NoError(t, s.k.Lock(s.Ctx, 1, 0, s.alice, params.GAL(20)))
	refuse := func(want error, change func(*types.MsgUnbond)) {
		t.Helper()
		msg := &types.MsgUnbond{Miner: s.alice.String(), Run: 1, Amount: params.GAL(1)}
		change(msg)
		s.RequireUnchanged(want, func(ctx context.Context) error {
			_, err := s.msgs.Unbond(ctx, msg)
			return err
		})
	}
	for _, a := range badAddresses(t, s.alice) {
		refuse(types.ErrInvalidAddress, func(m *types.MsgUnbond) { m.Miner = a })
	}
	for _, a := range badAmounts() {
		refuse(types.ErrInvalidAmount, func(m *types.MsgUnbond) { m.Amount = a })
	}
	refuse(types.ErrNotRegistered, func(m *types.MsgUnbond) { m.Run = 2 })
	refuse(types.ErrNotRegistered, func(m *types.MsgUnbond) { m.Miner = s.bob.String() })
	refuse(types.ErrInsufficientFreeBond, func(m *types.MsgUnbond) { m.Amount = hugeAmount(t) })
	refuse(types.ErrInsufficientFreeBond, func(m *types.MsgUnbond) { m.Amount = params.GAL(40).AddRaw(1) })
	refuse(types.ErrInsufficientFreeBond, func(m *types.MsgUnbond) { m.Amount = params.GAL(20).AddRaw(1) })
	refuse(types.ErrMinerBusy, func(m *types.MsgUnbond) { m.Amount = params.GAL(40) })
	require.NoError(t, s.k.ReleaseWindow(s.Ctx, 1, 0))
	refuse(types.ErrInsufficientBond, func(m *types.MsgUnbond) { m.Amount = params.GAL(24).AddRaw(1) })
}

func TestEndpointAndGroupsRefuseBadFieldsAndKeepTheState(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 16, 1)
	endpoint := func(miner string, run uint64, e string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := s.msgs.UpdateEndpoint(ctx, &types.MsgUpdateEndpoint{Miner: miner, Run: run, Endpoint: e})
			return err
		}
	}
	groups := func(miner string, run uint64, n uint32) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := s.msgs.DeclareGroups(ctx, &types.MsgDeclareGroups{Miner: miner, Run: run, DeclaredGroups: n})
			return err
		}
	}
	for _, a := range badAddresses(t, s.alice) {
		s.RequireUnchanged(types.ErrInvalidAddress, endpoint(a, 1, "http://a"))
		s.RequireUnchanged(types.ErrInvalidAddress, groups(a, 1, 1))
	}
	s.RequireUnchanged(types.ErrNotRegistered, endpoint(s.bob.String(), 1, "http://a"))
	s.RequireUnchanged(types.ErrNotRegistered, endpoint(s.alice.String(), 9, "http://a"))
	s.RequireUnchanged(types.ErrNotRegistered, groups(s.bob.String(), 1, 1))
	s.RequireUnchanged(types.ErrNotRegistered, groups(s.alice.String(), 9, 1))
	for _, e := range badEndpoints() {
		s.RequireUnchanged(types.ErrInvalidEndpoint, endpoint(s.alice.String(), 1, e))
	}
	for _, n := range []uint32{17, 1<<32 - 1} { // 0 rests
		s.RequireUnchanged(types.ErrInvalidGroups, groups(s.alice.String(), 1, n))
	}
}

func TestOnlyGovernanceChangesParamsAndOnlyToGoodOnes(t *testing.T) {
	s := newSuite(t)
	update := func(authority string, p types.Params) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := s.msgs.UpdateParams(ctx, &types.MsgUpdateParams{Authority: authority, Params: p})
			return err
		}
	}
	for _, a := range append(badAddresses(t, s.alice), s.alice.String()) {
		s.RequireUnchanged(sdkerrors.ErrUnauthorized, update(a, types.DefaultParams()))
	}
	s.RequireUnchanged(types.ErrInvalidParams, update(xtest.Authority(), types.Params{}))
	p := types.DefaultParams()
	p.MaxMiners = 7
	require.NoError(t, update(xtest.Authority(), p)(s.Ctx))
	got, err := s.k.Params.Get(s.Ctx)
	require.NoError(t, err)
	require.Equal(t, p, got)
}
