package xtest

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

// Tokenizer is x/challenge's.
func (c *Challenge) Tokenizer(_ context.Context, run uint64) ([]byte, bool, error) {
	file, ok := c.Tokenizers[run]
	return file, ok, nil
}

// RefundFee is x/challenge's, which pays nothing here.
func (c *Challenge) RefundFee(_ context.Context, msg sdk.Msg) {
	c.Refunds = append(c.Refunds, sdk.MsgTypeURL(msg))
}
