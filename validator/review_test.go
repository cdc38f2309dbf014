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

// desk records what was sent and has one checkpoint, version 1.
type desk struct {
	key  sdk.AccAddress
	sent []sdk.Msg
}

func (d *desk) Address() sdk.AccAddress { return d.key }

func (d *desk) Tx(_ context.Context, msgs ...sdk.Msg) (client.Result, error) {
	d.sent = append(d.sent, msgs...)
	return client.Result{}, nil
}

func (d *desk) Checkpoint(_ context.Context, _, version uint64) (policytypes.Checkpoint, bool, error) {
	return policytypes.Checkpoint{Version: version, Digest: []byte{1}, StateHash: []byte{2}}, version == 1, nil
}

func TestAReviewerSignsForItsOperator(t *testing.T) {
	operator, hot := sdk.AccAddress(bytes.Repeat([]byte{1}, 20)), sdk.AccAddress(bytes.Repeat([]byte{2}, 20))
	d := &desk{key: operator}
	r := Reviewer{Chain: d, Sender: d}
	_, err := r.Attest(t.Context(), 1, 1, nil, nil)
	require.NoError(t, err)
	_, err = r.Attest(t.Context(), 1, 1, []byte{8}, []byte{9})
	require.NoError(t, err)
	_, err = r.Reject(t.Context(), 1, 1, "replay differs at layer 0")
	require.NoError(t, err)
	require.Equal(t, []sdk.Msg{
		&policytypes.MsgAttestCheckpoint{Grader: operator.String(), Run: 1, Version: 1, Digest: []byte{1}, StateHash: []byte{2}},
		&policytypes.MsgAttestCheckpoint{Grader: operator.String(), Run: 1, Version: 1, Digest: []byte{8}, StateHash: []byte{9}},
		&policytypes.MsgRejectCheckpoint{Grader: operator.String(), Run: 1, Version: 1, Reason: "replay differs at layer 0"},
	}, d.sent)

	d = &desk{key: hot}
	r = Reviewer{Chain: d, Sender: d, Operator: sdk.ValAddress(operator)}
	_, err = r.Reject(t.Context(), 1, 1, "")
	require.NoError(t, err)
	exec, ok := d.sent[0].(*authz.MsgExec)
	require.True(t, ok)
	require.Equal(t, hot.String(), exec.Grantee)

	_, err = r.Attest(t.Context(), 1, 2, nil, nil)
	require.ErrorContains(t, err, "no checkpoint 2")
	_, err = r.Reject(t.Context(), 1, 1, strings.Repeat("x", 257))
	require.ErrorIs(t, err, policytypes.ErrInvalidReason)
	require.Len(t, d.sent, 1)
}
