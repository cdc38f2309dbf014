package types

import "cosmossdk.io/collections"

const (
	// ModuleName names the module and its account, which mints emission and holds
	// unclaimed credits.
	ModuleName = "settlement"
	// StoreKey is the key of the module's store.
	StoreKey = ModuleName
)

// Prefixes of the module's store.
var (
	ParamsKey        = collections.NewPrefix(0)
	CommitsKey       = collections.NewPrefix(1)  // (run, window, grader) -> VerdictCommit
	RevealsKey       = collections.NewPrefix(2)  // (run, window, grader) -> VerdictReveal
	MinerResultsKey  = collections.NewPrefix(3)  // (run, window, miner) -> MinerResult
	GraderResultsKey = collections.NewPrefix(4)  // (run, window, grader) -> GraderResult
	WindowResultsKey = collections.NewPrefix(5)  // (run, window) -> WindowResult
	CreditsKey       = collections.NewPrefix(6)  // (run, miner, window) -> Credit
	CursorsKey       = collections.NewPrefix(7)  // (run, window) -> Cursor
	MinerDutiesKey   = collections.NewPrefix(8)  // (run, miner) -> MinerDuty
	GraderDutiesKey  = collections.NewPrefix(9)  // (run, grader) -> GraderDuty
	TotalsKey        = collections.NewPrefix(10) // run -> RunTotals
	TallyPagesKey    = collections.NewPrefix(11) // (run, window, page) -> TallyPage
	BondColumnsKey   = collections.NewPrefix(12) // run -> BondColumns
	BondRowsKey      = collections.NewPrefix(13) // (run, grader) -> BondRow
	MinerScoresKey   = collections.NewPrefix(14) // (run, miner) -> MinerScore
	SlashMarkersKey  = collections.NewPrefix(15) // (run, miner) -> SlashMarker
	SlashRecordsKey  = collections.NewPrefix(16) // (run, window, miner, source) -> SlashRecord
	RostersKey       = collections.NewPrefix(17) // (run, window) -> Roster
	CreditIndexKey   = collections.NewPrefix(18) // (run, window, miner): the credits by window
)
