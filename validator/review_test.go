package validator

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/x/authz"

	"github.com/galahad-network/galahad/chain/client"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
)

// desk records what was sent.
type desk struct {
	key  sdk.AccAddress
	sent []sdk.Msg
}

func (d *desk) Address() sdk.AccAddress { return d.key }

func (d *desk) Tx(_ context.Context, msgs ...sdk.Msg) (client.Result, error) {
	d.sent = append(d.sent, msgs...)
	return client.Result{}, nil
}

func TestARejectionIsSignedForItsOperator(t *testing.T) {
	operator, hot := sdk.AccAddress(bytes.Repeat([]byte{1}, 20)), sdk.AccAddress(bytes.Repeat([]byte{2}, 20))
	d := &desk{key: operator}
	_, err := Reject(t.Context(), d, nil, 1, 1, "replay differs at layer 0")
	require.NoError(t, err)
	require.Equal(t, []sdk.Msg{
		&policytypes.MsgRejectCheckpoint{Grader: operator.String(), Run: 1, Version: 1, Reason: "replay differs at layer 0"},
	}, d.sent)

	d = &desk{key: hot}
	_, err = Reject(t.Context(), d, sdk.ValAddress(operator), 1, 1, "")
	require.NoError(t, err)
	exec, ok := d.sent[0].(*authz.MsgExec)
	require.True(t, ok)
	require.Equal(t, hot.String(), exec.Grantee)

	_, err = Reject(t.Context(), d, nil, 1, 1, strings.Repeat("x", 257))
	require.ErrorIs(t, err, policytypes.ErrInvalidReason)
	require.Len(t, d.sent, 1)
}
