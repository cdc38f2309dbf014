package cli

import (
	"fmt"

	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/x/internal/table"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// MetagraphTable shows miners, then graders.
func MetagraphTable(m *types.QueryMetagraphResponse) *table.Table {
	t := table.New("ROLE", "ADDRESS", "STAKE", "LOCKED", "GROUPS", "WEIGHT", "TRUST", "SHARE", "PAID", "WINDOW", "STATE", "ENDPOINT").
		Title("Metagraph of run %d after %d settled windows", m.Run, m.SettledWindows)
	for _, x := range m.Miners {
		groups := any(fmt.Sprintf("- of %d", x.DeclaredGroups))
		var weight, share, paid, window, state any
		if l := x.Last; l != nil {
			groups = fmt.Sprintf("%d of %d", l.Groups, l.DeclaredGroups)
			weight, share, paid, window = l.Weight, ppb(l.IncentivePpb), l.Paid, l.Window
			state = verdict(l.Code, l.Leaf)
		}
		if x.Jailed {
			state = fmt.Sprintf("jailed, may unjail from window %d on, last %v", x.JailedUntilWindow, dash(state))
		}
		t.Row("miner", table.Addr(x.Address), x.Bond, x.Locked, groups, weight, nil, share, paid, window, state, x.Endpoint)
	}
	for _, x := range m.Graders {
		var stake, trust, share, paid, window any
		state := fmt.Sprintf("missed %d", x.Missed)
		if l := x.Last; l != nil {
			stake, trust, share, paid, window = l.Stake, table.PPM(l.TrustPpm), ppb(l.DividendPpb), l.Paid, l.Window
			if l.Reason != "" {
				state += ", last: " + l.Reason
			}
		}
		if x.SuspendedUntilWindow > m.SettledWindows {
			state = fmt.Sprintf("suspended until window %d", x.SuspendedUntilWindow)
		}
		t.Row("grader", table.Addr(x.Address), stake, nil, nil, nil, trust, share, paid, window, state, nil)
	}
	return t.Note("STAKE is a miner's bond or a grader's bonded stake, in GAL. WEIGHT is the consensus on a miner, TRUST how much of a").
		Note("grader's weights it left. SHARE is of the miners' or graders' part of the emission of WINDOW, the newest settled one.")
}

// ExplainTable leads from a miner's duty to its coins.
func ExplainTable(e *types.QueryExplainResponse) *table.Table {
	t := table.New("STEP", "AMOUNT", "WHY").
		Title("Window %d of run %d, miner %s: %s", e.Window, e.Run, e.Miner, e.State)
	for _, item := range e.Items {
		t.Row(item.Reason, signed(item.Amount), item.Text)
	}
	if len(e.Items) > 0 {
		credit := "the credit is " + e.Credit
		if e.Credit == "none" {
			credit = "there is no credit"
		}
		t.Row("received", signed(e.Received), credit)
	}
	t.Note("%s.", e.Summary)
	failed := false
	for _, g := range e.Graders {
		said := verdict(g.Code, g.Leaf)
		if hard(g.Code) {
			said, failed = fmt.Sprintf("%s (measured %d, bound %d)", said, g.Value, g.Threshold), true
		}
		t.Note("%s of %s said %s, weight %d.", g.Grader, table.FormatGAL(g.Stake), said, g.Weight)
	}
	if failed {
		t.Note("Repeat it: galahad-validator verify LOCATOR/batches/ROOT; both are in `galahadd query rollout commitments %d %d`.", e.Run, e.Window)
	}
	return t
}

// signed shows a deduction with its sign.
func signed(agal sdkmath.Int) string {
	if agal.IsNegative() {
		return "-" + table.FormatGAL(agal.Neg())
	}
	return table.FormatGAL(agal)
}

// RewardsTable shows what an account has to take, run by run.
func RewardsTable(address string, r *types.QueryRewardsResponse) *table.Table {
	t := table.New("RUN", "CLAIMABLE", "LOCKED", "NEXT UNLOCK").Title("Rewards of %s", address)
	for _, x := range r.Runs {
		next := "-"
		if x.NextUnlock > 0 {
			next = fmt.Sprintf("at %d settled windows, now %d", x.NextUnlock, x.SettledWindows)
		}
		t.Row(x.Run, x.Claimable, x.Locked, next)
	}
	return t.Note("Take it with: galahadd tx settlement claim RUN. What graders and delegators earn is in `query distribution`.")
}

// EmissionTable shows what a block is worth and which run gets how much of it.
func EmissionTable(e *types.QueryEmissionResponse) *table.Table {
	t := table.New("RUN", "NAME", "SHARE", "MINTED").
		Title("Emission at block %d: %s a block", e.Height, table.FormatGAL(e.BlockReward))
	for _, x := range e.Runs {
		t.Row(x.Run, x.Name, table.PPM(x.SharePpm), x.Minted)
	}
	t.Note("Supply %s of at most %s; minted by runs %s; %s of the emission has no run and is not minted.",
		table.FormatGAL(e.Supply), table.FormatGAL(e.MaxSupply), table.FormatGAL(e.Minted), table.FormatPPM(uint64(e.UnassignedPpm)))
	if e.NextHalving > 0 {
		t.Note("It halves at block %d.", e.NextHalving)
	}
	return t
}

// DutiesTable shows a grader's newest windows.
func DutiesTable(grader string, d *types.QueryDutiesResponse) *table.Table {
	t := table.New("RUN", "WINDOW", "REVEAL", "DIVIDEND", "PAID", "WHY").Title("Duties of %s", grader)
	for _, x := range d.Runs {
		for _, g := range x.Last {
			t.Row(x.Run, g.Window, revealed(g), ppb(g.DividendPpb), g.Paid, g.Reason)
		}
		state := "eligible"
		if x.SuspendedUntilWindow > 0 {
			state = fmt.Sprintf("suspended until window %d", x.SuspendedUntilWindow)
		}
		t.Note("Run %d: missed %d reveals, %d are allowed; %s.", x.Run, len(x.Missed), x.Allowed, state)
	}
	return t
}

// SlashesTable lists what miners lost.
func SlashesTable(run uint64, s *types.QuerySlashesResponse) *table.Table {
	t := table.New("WINDOW", "MINER", "BURNED", "VOIDED", "VERDICT", "BY", "BLOCK").Title("Slashes of run %d", run)
	for _, x := range s.Slashes {
		t.Row(x.Window, table.Addr(x.Miner), x.Burned, x.Voided, verdict(x.Code, x.Leaf), x.Source.Name(), x.Height)
	}
	return t.Note("BURNED came out of the bond; VOIDED are locked credits that went to the community pool.")
}
