package economics

import (
	"bytes"
	"fmt"
)

// Page is docs/economics.md.
func Page(coalitions []byte) []byte {
	t := Defaults()
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# What a participant can lose, and when it pays to cheat")
	line("")
	line("Made from the code and the default parameters by `go run ./testutil/economics/page > docs/economics.md`; a test compares. All amounts are in units of an")
	line("honest miner's pay for one group. A committed group locks a bond of %.0f; a failure that graders agree on, or that is proven, burns %.0f %% of the batch's", t.Bond, 100*t.HardSlash)
	line("bond, voids the credits of %d windows and jails for %d; a batch that cannot be had burns %.0f %%.", t.LockWindows, t.JailWindows, 100*t.UnavailableSlash)
	line("")
	line("## Junk in j of n groups")
	line("")
	line("The audit draws each group with a probability p, at least %.0f %%, and one group of each batch for certain, after the batch is committed. Nobody can know", 100*t.AuditMin)
	line("which. A rational cheat looks whether one of its junk groups was drawn, and then withholds the batch rather than being convicted. Given is what it")
	line("gains in a window above honest work, for n = 16 and p = %.0f %%, where honest work costs all of its pay (the best case for a cheat) and half of it.", 100*t.AuditMin)
	line("")
	line("| j | drawn | serves, cost 100 %% | withholds, cost 100 %% | serves, cost 50 %% | withholds, cost 50 %% |")
	line("|---|---|---|---|---|---|")
	const n = 16
	for _, j := range []int{1, 2, 4, 8, 12, 16} {
		share := float64(j) / n
		all, half := t.Expect(n, j, t.AuditMin, 1, share), t.Expect(n, j, t.AuditMin, 0.5, share)
		line("| %d | %.1f %% | %.1f | %.1f | %.1f | %.1f |", j, 100*all.Detected, all.Served, all.Withheld, half.Served, half.Withheld)
	}
	line("")
	line("Groups do not cost the same, and whoever leaves out the dearest saves more than j/n of the work. What share of the batch's work the j dearest groups")
	line("must be before leaving them out pays, at p = %.0f %% and a cost of 100 %% (over 100 %%: never):", 100*t.AuditMin)
	line("")
	line("| n | j = 1 | j = 2 | j = 3 | j = 4 |")
	line("|---|---|---|---|---|")
	for _, n := range []int{1, 2, 3, 4, 8, 16, 32, 64} {
		fmt.Fprintf(&b, "| %d |", n)
		for j := 1; j <= 4; j++ {
			if j > n {
				fmt.Fprint(&b, " - |")
				continue
			}
			fmt.Fprintf(&b, " %.0f %% |", 100*t.Breakeven(n, j, t.AuditMin))
		}
		line("")
	}
	line("")
	line("That is always at least twice their number's part, so no run in which a group costs less than twice the mean has a cheat that pays. A run whose")
	line("completions differ more raises `audit_min_ppm`: detection grows with it and the shares above with that. Where the work costs less than its pay, the pay lost weighs more.")
	line("")
	line("`TestCheatingEarnsLessThanHonestWork` (x/settlement) plays these miners on the settlement itself, with real audits, and finds each below honest work.")
	line("")
	line("## Other ways to do less")
	line("")
	line("- **Stop early.** g groups of d declared are paid floor(g²/d): half of the work is paid a quarter.")
	line("")
	line("| groups of 16 | 4 | 8 | 12 | 15 | 16 |")
	line("|---|---|---|---|---|---|")
	fmt.Fprint(&b, "| part of the full pay |")
	for _, g := range []int{4, 8, 12, 15, 16} {
		fmt.Fprintf(&b, " %.1f %% |", 100*Early(g, 16))
	}
	line("")
	line("")
	line("- **Many identities.** Pay goes by groups, so k identities of n/k groups earn together what one of n earns; each pays the registration price and locks a")
	line("  minimum bond, and each has one group drawn for certain: with one junk group in all, two identities of 8 are drawn in %.1f %% of windows, one of 16 in %.1f %%.", 100*Detected(8, 1, t.AuditMin), 100*Detected(16, 1, t.AuditMin))
	line("- **Copy, or choose.** Prompt and sampling stream of every group follow from a beacon that nobody knew and the miner's address, so another's rollouts, a")
	line("  better draw and an easier problem all fail ([power](power.md)).")
	line("- **Withhold.** An unavailable batch is paid nothing and burns %.1f for a group; the third in 20 windows jails.", t.UnavailableSlash*t.Bond)
	line("")
	line("## Graders")
	line("")
	line("A grader commits to a hash of its verdicts before anybody reveals. Verdicts on work that is ok carry a root over hidden states at positions that the audit")
	line("seed draws: it is in no batch, and only the forward pass gives it.")
	line("")
	line("| grader | what becomes of it |")
	line("|---|---|")
	line("| posts all-ok without work | its work roots are not the majority's: not counted, no dividend, suspended after three misses (`TestAudit_F41_ALazyGraderEarnsNothing`) |")
	line("| copies another's hash | it can open nothing: the hash binds its owner (ADR 007) |")
	line("| copies weights of the window before | the miners, groups and codes are another window's: its verdicts are refused or outvoted |")
	line("")
	line("### Coalitions")
	line("")
	line("Below half of the stake a coalition of graders can pay no cheat and take nothing from a miner: miners are paid what more than half of the stake agrees on")
	line("(ADR 017). From one third on it can keep a failure below the 2/3 that slash; what needs no model is slashed by evidence all the same. With more than half it")
	line("decides codes, in the open; with more than 2/3 it slashes, and has the chain itself. Batches and replays still show strangers what it did. Played on the")
	line("settlement itself, six windows each (`TestWhatCoalitionsOfGradersCanDo`, x/settlement): the other graders are honest, one miner of four is the coalition's")
	line("cheat, one its rival. Dividends are for each GAL of stake, against an honest grader's, - where that has none; pay is against the other honest miners'.")
	line("")
	b.Write(coalitions)
	return b.Bytes()
}
