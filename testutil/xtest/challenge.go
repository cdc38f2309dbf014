package xtest

import (
	"bytes"
	"context"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// Challenge stands in for x/challenge's keeper: it answers from what the test put
// into it, and takes stages from the real rule (challengetypes.StageAt).
type Challenge struct {
	Runs    map[uint64]challengetypes.Run
	Windows map[[2]uint64]challengetypes.Window
	Frozen  map[[2]uint64]map[string]uint32      // raw address -> declared groups
	Graders map[[2]uint64]map[string]sdkmath.Int // raw operator address -> stake
	// Tokenizers are the files that runs registered.
	Tokenizers map[uint64][]byte
	// Refunds are the types of the messages whose fee was paid back.
	Refunds []string
}

// NewChallenge returns one without runs.
func NewChallenge() *Challenge {
	return &Challenge{
		Runs:    map[uint64]challengetypes.Run{},
		Windows: map[[2]uint64]challengetypes.Window{},
		Frozen:  map[[2]uint64]map[string]uint32{},
		Graders: map[[2]uint64]map[string]sdkmath.Int{},

		Tokenizers: map[uint64][]byte{},
	}
}

// Digest is 32 bytes of b.
func Digest(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// AddRun adds an active run with G = 16, K = 8 and a conformance digest of 0x0c's.
func (c *Challenge) AddRun(id uint64) {
	c.Runs[id] = challengetypes.Run{
		Id: id, Name: "test", Status: challengetypes.RunStatus_RUN_STATUS_ACTIVE,
		Params: challengetypes.RunParams{
			GroupSize: 8, MaxGroups: 16, MaxGroupsPerWindow: 1024, MaxOpenWindows: 3,
			CommitBlocks: 10, AuditBlocks: 10, RevealBlocks: 5,
			MaxBatchBytes: 1 << 20, ConformanceDigest: Digest(0x0c),
			BondPerGroupFloor: sdkmath.NewIntWithDecimal(1, 18), Recipe: challengetypes.DefaultRecipe(),
		},
	}
}

// AddWindow adds a window of a run, in COMMIT from height start on, for the
// checkpoint digest of 0xcc's and 1 GAL a group.
func (c *Challenge) AddWindow(run, id uint64, start int64) {
	r := c.Runs[run]
	c.Windows[[2]uint64{run, id}] = challengetypes.Window{
		Run: run, Id: id, FreezeHeight: start - 1, CommitStart: start, CommitEnd: start + int64(r.Params.CommitBlocks),
		Params: r.Params, CheckpointDigest: Digest(0xcc), BondPerGroup: r.Params.BondPerGroupFloor,
		EligibleStake: sdkmath.ZeroInt(),
	}
	r.NextWindow = max(r.NextWindow, id+1)
	c.Runs[run] = r
}

// Freeze puts a miner into a window.
func (c *Challenge) Freeze(run, window uint64, miner sdk.AccAddress, declared uint32) {
	key := [2]uint64{run, window}
	if c.Frozen[key] == nil {
		c.Frozen[key] = map[string]uint32{}
	}
	c.Frozen[key][string(miner)] = declared
}

// FreezeGrader puts a grader into a window.
func (c *Challenge) FreezeGrader(run, window uint64, operator sdk.ValAddress, stake sdkmath.Int) {
	key := [2]uint64{run, window}
	if c.Graders[key] == nil {
		c.Graders[key] = map[string]sdkmath.Int{}
	}
	c.Graders[key][string(operator)] = stake
	w := c.Windows[key]
	w.Graders++
	w.EligibleStake = w.EligibleStake.Add(stake)
	c.Windows[key] = w
}

// Close makes a window CLOSED as of height.
func (c *Challenge) Close(run, window uint64, height int64) {
	w := c.Windows[[2]uint64{run, window}]
	w.ClosedHeight = height
	c.Windows[[2]uint64{run, window}] = w
}

// GetRun is x/challenge's.
func (c *Challenge) GetRun(_ context.Context, run uint64) (challengetypes.Run, error) {
	r, ok := c.Runs[run]
	if !ok {
		return r, challengetypes.ErrRunNotFound
	}
	return r, nil
}

// GetWindow is x/challenge's.
func (c *Challenge) GetWindow(_ context.Context, run, window uint64) (challengetypes.Window, error) {
	w, ok := c.Windows[[2]uint64{run, window}]
	if !ok {
		return w, challengetypes.ErrWindowNotFound
	}
	return w, nil
}

// Stage is x/challenge's.
func (c *Challenge) Stage(ctx context.Context, w challengetypes.Window) challengetypes.Stage {
	return challengetypes.StageAt(w, sdk.UnwrapSDKContext(ctx).BlockHeight())
}

// OpenWindows is x/challenge's.
func (c *Challenge) OpenWindows(_ context.Context, run uint64) ([]challengetypes.Window, error) {
	var open []challengetypes.Window
	for id := range c.Runs[run].NextWindow {
		if w, ok := c.Windows[[2]uint64{run, id}]; ok && !w.Done() {
			open = append(open, w)
		}
	}
	return open, nil
}

// FrozenMiner is x/challenge's.
func (c *Challenge) FrozenMiner(_ context.Context, run, window uint64, miner sdk.AccAddress) (challengetypes.FrozenMiner, bool, error) {
	declared, ok := c.Frozen[[2]uint64{run, window}][string(miner)]
	if !ok {
		return challengetypes.FrozenMiner{}, false, nil
	}
	return challengetypes.FrozenMiner{Run: run, Window: window, Address: miner.String(), DeclaredGroups: declared}, true, nil
}

// LatestGraders is x/challenge's.
func (c *Challenge) LatestGraders(_ context.Context, run uint64) (uint64, bool, error) {
	for id := c.Runs[run].NextWindow; id > 0; id-- {
		if w, ok := c.Windows[[2]uint64{run, id - 1}]; ok && w.Graders > 0 {
			return id - 1, true, nil
		}
	}
	return 0, false, nil
}

// FrozenGrader is x/challenge's.
func (c *Challenge) FrozenGrader(_ context.Context, run, window uint64, operator sdk.ValAddress) (challengetypes.FrozenGrader, bool, error) {
	stake, ok := c.Graders[[2]uint64{run, window}][string(operator)]
	if !ok {
		return challengetypes.FrozenGrader{}, false, nil
	}
	address, err := OperatorCodec().BytesToString(operator)
	return challengetypes.FrozenGrader{Run: run, Window: window, Address: address, Stake: stake}, err == nil, err
}
