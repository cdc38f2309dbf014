package testapp

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/cosmos/gogoproto/proto"

	sdkmath "cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/codec"

	"github.com/galahad-network/galahad/app/params"
)

// DefaultChainID is the chain id of a test chain.
const DefaultChainID = "galahad-test-1"

// Option changes what New builds.
type Option func(*config)

type config struct {
	chainID      string
	start        time.Time
	blockTime    time.Duration
	stakes       []sdkmath.Int
	accounts     []funding
	genesis      []func(testing.TB, codec.Codec, map[string]json.RawMessage)
	maxGas       int64
	instances    []kind
	restarts     restarts
	minGasPrices string
	noTeardown   bool
}

type funding struct {
	name   string
	amount sdkmath.Int
}

func defaultConfig() config {
	return config{
		chainID:   DefaultChainID,
		start:     time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		blockTime: time.Second,
		stakes:    []sdkmath.Int{params.GAL(100)},
		maxGas:    params.MaxBlockGas,
		instances: []kind{plain, restarted, foreign},
		restarts:  restarts{first: 8, every: 16},
	}
}

// WithChainID sets the chain id; the default is DefaultChainID.
func WithChainID(id string) Option { return func(c *config) { c.chainID = id } }

// WithStart sets the genesis time.
func WithStart(t time.Time) Option { return func(c *config) { c.start = t } }

// WithBlockTime sets how much later each block is; the default is one second.
func WithBlockTime(d time.Duration) Option { return func(c *config) { c.blockTime = d } }

// WithMaxBlockGas bounds the gas of a block; the default is params.MaxBlockGas.
func WithMaxBlockGas(gas int64) Option { return func(c *config) { c.maxGas = gas } }

// WithValidators starts the chain with one validator per stake, in whole GAL. The
// default is one validator of 100 GAL.
func WithValidators(stakes ...int64) Option {
	return func(c *config) {
		c.stakes = nil
		for _, s := range stakes {
			c.stakes = append(c.stakes, params.GAL(s))
		}
	}
}

// WithAccount funds the account called name with whole GAL in genesis.
func WithAccount(name string, gal int64) Option { return WithBalance(name, params.GAL(gal)) }

// WithBalance funds the account called name with agal in genesis.
func WithBalance(name string, agal sdkmath.Int) Option {
	return func(c *config) { c.accounts = append(c.accounts, funding{name, agal}) }
}

// WithGenesis changes a module's genesis: change gets the default, decoded.
//
//	testapp.WithGenesis(challengetypes.ModuleName, func(g *challengetypes.GenesisState) { ... })
func WithGenesis[T any, P interface {
	*T
	proto.Message
}](module string, change func(P)) Option {
	return func(c *config) {
		c.genesis = append(c.genesis, func(t testing.TB, cdc codec.Codec, state map[string]json.RawMessage) {
			t.Helper()
			g := P(new(T))
			if err := cdc.UnmarshalJSON(state[module], g); err != nil {
				t.Fatalf("testapp: genesis of %s: %v", module, err)
			}
			change(g)
			raw, err := cdc.MarshalJSON(g)
			if err != nil {
				t.Fatalf("testapp: genesis of %s: %v", module, err)
			}
			state[module] = raw
		})
	}
}

// WithoutReplica runs blocks on one instance only, for benchmarks and for tests
// that make no blocks.
func WithoutReplica() Option { return func(c *config) { c.instances = []kind{plain} } }

// WithRestarts restarts one instance before each of the first blocks, then before
// every every-th; 0 is never. The default is 8 and 16, see the package's comment for
// the cost.
func WithRestarts(first, every int64) Option {
	return func(c *config) { c.restarts = restarts{first, every} }
}

// WithMinGasPrices sets what App asks for in CheckTx; the default is nothing, and
// blocks never ask.
func WithMinGasPrices(prices string) Option { return func(c *config) { c.minGasPrices = prices } }

// WithoutTeardown skips the checks at the end of the test; such a test says why.
func WithoutTeardown() Option { return func(c *config) { c.noTeardown = true } }
