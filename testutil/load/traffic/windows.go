package traffic

import (
	"context"
	"fmt"

	"github.com/galahad-network/galahad/chain/client"
	settlement "github.com/galahad-network/galahad/x/settlement/types"
)

// Missed says what went wrong in the settled windows [from, to) of a run: a window that is VOID, a miner of honest (by
// address) that has no verdict ok, no pay or a slash, a grader that did not reveal. It is empty if nothing did.
func Missed(ctx context.Context, c *client.Client, run, from, to uint64, honest map[string]string) ([]string, error) {
	var missed []string
	for id := from; id < to; id++ {
		status, err := c.Window(ctx, run, id)
		if err != nil {
			return nil, err
		}
		if status.Window.VoidHeight > 0 {
			missed = append(missed, fmt.Sprintf("window %d is VOID: %s", id, status.Window.VoidReason))
			continue
		}
		result, err := c.Settlement(ctx, run, id)
		if err != nil {
			return nil, err
		}
		missed = append(missed, missedIn(id, result, honest)...)
	}
	return missed, nil
}

func missedIn(id uint64, w settlement.QueryWindowResponse, honest map[string]string) []string {
	var missed []string
	seen := 0
	for _, m := range w.Miners {
		name, ok := honest[m.Miner]
		if !ok {
			continue
		}
		seen++
		if m.Code != settlement.VerdictCode_VERDICT_CODE_OK || !m.Paid.IsPositive() || !m.Slashed.IsZero() {
			missed = append(missed, fmt.Sprintf("window %d: %s has %s, %s paid, %s slashed: %s", id, name, m.Code, m.Paid, m.Slashed, m.Reason))
		}
	}
	if seen != len(honest) {
		missed = append(missed, fmt.Sprintf("window %d counted %d of %d miners", id, seen, len(honest)))
	}
	for _, g := range w.Graders {
		if !g.Revealed {
			missed = append(missed, fmt.Sprintf("window %d: grader %s did not reveal: %s", id, g.Grader, g.Reason))
		}
	}
	return missed
}
