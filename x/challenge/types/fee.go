package types

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

// feeInfoKey is the context key of FeeInfo. A private type keeps others from
// setting it.
type feeInfoKey struct{}

// FeeInfo is what the ante handler tells message handlers about the fee of the
// transaction they run in, so that a handler can pay (part of) it back out of
// the fee collector.
type FeeInfo struct {
	// Fee was deducted from Payer when the transaction passed the ante handler.
	Fee sdk.Coins
	// Payer is the account that paid: the fee granter where there is one, else
	// the fee payer.
	Payer sdk.AccAddress
	// GasLimit is the gas that Fee pays for.
	GasLimit uint64
	// SingleMessage is the type URL of the transaction's message if it has
	// exactly one, else empty. Only a transaction whose single, outermost
	// message is the one that earns a refund may get it: otherwise one fee
	// could be paid back once for every message, directly or within an authz
	// MsgExec.
	SingleMessage string
}

// WithFeeInfo returns ctx with info in it.
func WithFeeInfo(ctx sdk.Context, info FeeInfo) sdk.Context {
	return ctx.WithValue(feeInfoKey{}, info)
}

// GetFeeInfo returns the FeeInfo of the transaction that ctx belongs to; ok is
// false outside of a transaction that came through the ante handler.
func GetFeeInfo(ctx context.Context) (info FeeInfo, ok bool) {
	info, ok = ctx.Value(feeInfoKey{}).(FeeInfo)
	return info, ok
}

// Refundable reports whether msg is the transaction's single, outermost message.
func (f FeeInfo) Refundable(msg sdk.Msg) bool {
	return f.SingleMessage != "" && f.SingleMessage == sdk.MsgTypeURL(msg)
}
