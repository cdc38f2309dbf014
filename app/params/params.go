// Package params holds the names that make this chain Galahad: the application,
// its address prefix and its coin. Importing it sets the SDK's process-wide
// defaults to them, so whoever formats an address or an amount of this chain
// imports this package.
package params

import (
	"os"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

const (
	// Name of the application.
	Name = "galahad"
	// Bech32Prefix begins every account address; validators' operator addresses
	// begin with Bech32Prefix + "valoper".
	Bech32Prefix = "galahad"
	// BaseDenom is the unit that all balances are kept in.
	BaseDenom = "agal"
	// DisplayDenom is the unit that people read: 1 GAL = 10^CoinDecimals agal.
	DisplayDenom = "GAL"
	// CoinDecimals of GAL.
	CoinDecimals = 18
	// MinGasPrices is what a node asks for by default, in agal per unit of gas:
	// a transaction of 200,000 gas costs 0.0002 GAL.
	MinGasPrices = "1000000000" + BaseDenom
	// QueryGasLimit bounds the gas of a query on a node by default, so that nobody can
	// make it read its whole state: as much as a block may use.
	QueryGasLimit = MaxBlockGas
	// MaxBlockGas bounds the gas of a block in a new genesis.
	MaxBlockGas = 100_000_000
)

// OneGAL is 1 GAL in agal.
func OneGAL() sdkmath.Int { return GAL(1) }

// GAL converts whole GAL to agal.
func GAL(n int64) sdkmath.Int {
	return sdkmath.NewInt(n).Mul(sdkmath.NewIntWithDecimal(1, CoinDecimals))
}

// The SDK keeps these as package variables; they must be set before any address
// is formatted and before staking computes a power, so they are set at start-up.
func init() {
	sdk.DefaultBondDenom = BaseDenom
	// 1 GAL of stake is one unit of consensus power; the default of 10^6 base
	// units would overflow CometBFT's int64 powers with 18 decimals.
	sdk.DefaultPowerReduction = OneGAL()
	// GetConfig, which the SDK calls for each address that it formats, finds a process's
	// settings by this name, or else asks the system for its host and path each time: a
	// seventh of the time of a transfer.
	if os.Getenv(sdk.EnvConfigScope) == "" {
		_ = os.Setenv(sdk.EnvConfigScope, "galahad") // fails only for names that it is not
	}
	cfg := sdk.GetConfig()
	cfg.SetBech32PrefixForAccount(Bech32Prefix, Bech32Prefix+sdk.PrefixPublic)
	cfg.SetBech32PrefixForValidator(
		Bech32Prefix+sdk.PrefixValidator+sdk.PrefixOperator,
		Bech32Prefix+sdk.PrefixValidator+sdk.PrefixOperator+sdk.PrefixPublic)
	cfg.SetBech32PrefixForConsensusNode(
		Bech32Prefix+sdk.PrefixValidator+sdk.PrefixConsensus,
		Bech32Prefix+sdk.PrefixValidator+sdk.PrefixConsensus+sdk.PrefixPublic)
	cfg.Seal()
}
