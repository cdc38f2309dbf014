package localnet

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	cmtconfig "github.com/cometbft/cometbft/config"
	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log/v2"
	sdkmath "cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/client/tx"
	"github.com/cosmos/cosmos-sdk/codec"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	serverconfig "github.com/cosmos/cosmos-sdk/server/config"
	simtestutil "github.com/cosmos/cosmos-sdk/testutil/sims"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"github.com/cosmos/cosmos-sdk/x/genutil"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/galahad-network/galahad/app"
	"github.com/galahad-network/galahad/app/params"
	registry "github.com/galahad-network/galahad/x/registry/types"
)

const (
	// graderStake and nodeStake are the self-delegations, in GAL, of the validators that grade and of the one that
	// only makes blocks: with any one of the four down, more than two thirds of the power are left.
	graderStake = 100
	nodeStake   = 50
	// feeFunds is what accounts start with, in GAL, beside their stake or bond.
	feeFunds = 100
	// faucetFunds are there for people who join by hand.
	faucetFunds = 100_000
	// declaredGroups of each miner: three honest miners make recipe-sized windows of about 256 rollouts.
	declaredGroups = 11
	// In a swarm half of what a step trains on is other runs': each miner declares swarmDeclared groups in every run, and
	// windows take up to swarmGroups of the others.
	swarmDeclared, swarmGroups = 5, 15
	// blockTime is CometBFT's pause after each commit.
	blockTime = 450 * time.Millisecond
)

// declared is how many groups a miner declares in each run.
func (n *Network) declared() int {
	if len(n.Swarm) > 0 {
		return swarmDeclared
	}
	return declaredGroups
}

// genesisOptions are what a network's runs can be made with.
type genesisOptions struct {
	mix                   string // of environments, as --mix says it
	commit, audit, reveal uint32 // stage lengths in blocks
	// edit and configure change the genesis before it is validated, and a node's files before they are written; nil
	// leaves them.
	edit      func(cdc codec.JSONCodec, state app.GenesisState) error
	configure func(node string, c *cmtconfig.Config, a *serverconfig.Config)
}

// defaultGenesis has stages of a few seconds, which two busy cores keep up with: AUDIT is longer than COMMIT because each
// of three graders replays what three miners sampled, and a longer one costs no window, as the next ones go on beside it.
var defaultGenesis = genesisOptions{mix: DefaultMix, commit: 5, audit: 10, reveal: 4}

// create makes the keys, the genesis and every node's configuration.
func (n *Network) create(ctx context.Context, o genesisOptions) error {
	a := app.New(log.NewNopLogger(), dbm.NewMemDB(), true, simtestutil.EmptyAppOptions{})
	g := &genesisBuilder{n: n, app: a, options: o, start: time.Now().UTC().Truncate(time.Second)}
	steps := []struct {
		what string
		do   func(context.Context) error
	}{
		{"make keys", g.keys},
		{"make validators", g.validators},
		{"write genesis", g.write},
		{"configure nodes", g.configureNodes},
		{"write network.json", func(context.Context) error { return n.save() }},
	}
	for _, s := range steps {
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("create local network: %s: %w", s.what, err)
		}
	}
	return nil
}

// minerBond covers the groups that a miner locks over a reward lock's windows, many times.
var minerBond = sdk.NewCoin(params.BaseDenom, params.GAL(1000))

type genesisBuilder struct {
	n        *Network
	app      *app.App
	start    time.Time
	options  genesisOptions
	accounts authtypes.GenesisAccounts
	balances []banktypes.Balance
	genTxs   []sdk.Tx
	peers    []string
}

// fund gives an account its first coins.
func (g *genesisBuilder) fund(addr sdk.AccAddress, gal int64) {
	g.accounts = append(g.accounts, authtypes.NewBaseAccount(addr, nil, 0, 0))
	g.balances = append(g.balances, banktypes.Balance{Address: addr.String(), Coins: sdk.NewCoins(sdk.NewCoin(params.BaseDenom, params.GAL(gal)))})
}

// keys makes an account for every daemon, in that daemon's own keyring. A grader signs with its validator's
// operator key.
func (g *genesisBuilder) keys(context.Context) error {
	cdc := g.app.Codec()
	daemon := func(d *Daemon, gal int64) error {
		addr, err := makeKey(cdc, g.n.Dir(d.Name), d.Name)
		if err != nil {
			return err
		}
		d.Address = addr.String()
		g.fund(addr, gal)
		return nil
	}
	for i := range g.n.Graders {
		if err := daemon(&g.n.Graders[i], graderStake+feeFunds); err != nil {
			return err
		}
		g.n.Nodes[i].Valoper = valoper(g.n.Graders[i].Address)
	}
	for i := range g.n.Miners {
		if err := daemon(&g.n.Miners[i], feeFunds); err != nil {
			return err
		}
	}
	for i := len(g.n.Graders); i < len(g.n.Nodes); i++ {
		addr, err := makeKey(cdc, g.n.Dir(g.n.Nodes[i].Name), g.n.Nodes[i].Name)
		if err != nil {
			return err
		}
		g.fund(addr, nodeStake+feeFunds)
		g.n.Nodes[i].Valoper = sdk.ValAddress(addr).String()
	}
	faucet, err := makeKey(cdc, g.n.Dir(faucetKey), faucetKey)
	if err != nil {
		return err
	}
	g.fund(faucet, faucetFunds)
	for i := range g.n.Swarm {
		if err := daemon(&g.n.Swarm[i].Learner, feeFunds); err != nil {
			return err
		}
	}
	return daemon(&g.n.Learner, feeFunds)
}

func valoper(account string) string {
	addr, err := sdk.AccAddressFromBech32(account)
	if err != nil {
		return ""
	}
	return sdk.ValAddress(addr).String()
}

// validators makes the nodes' consensus keys and one signed MsgCreateValidator for each.
func (g *genesisBuilder) validators(ctx context.Context) error {
	for i, node := range g.n.Nodes {
		cfg := cmtconfig.DefaultConfig()
		cfg.SetRoot(g.n.Dir(node.Name))
		if err := os.MkdirAll(filepath.Join(cfg.RootDir, "config"), 0o755); err != nil {
			return err
		}
		id, pub, err := genutil.InitializeNodeValidatorFiles(cfg)
		if err != nil {
			return err
		}
		g.peers = append(g.peers, fmt.Sprintf("%s@%s", id, hostPort(node.P2P)))
		stake, owner := int64(nodeStake), node.Name
		if i < len(g.n.Graders) {
			stake, owner = graderStake, g.n.Graders[i].Name
		}
		if err := g.genTx(ctx, owner, node, pub, params.GAL(stake)); err != nil {
			return fmt.Errorf("%s: %w", node.Name, err)
		}
	}
	return nil
}

// genTx signs a validator's creation with the key `owner` of the keyring of the same name.
func (g *genesisBuilder) genTx(ctx context.Context, owner string, node Node, pub cryptotypes.PubKey, stake sdkmath.Int) error {
	kr, err := openKeyring(g.app.Codec(), g.n.Dir(owner))
	if err != nil {
		return err
	}
	commission := stakingtypes.NewCommissionRates(sdkmath.LegacyNewDecWithPrec(10, 2), sdkmath.LegacyNewDecWithPrec(20, 2), sdkmath.LegacyNewDecWithPrec(1, 2))
	msg, err := stakingtypes.NewMsgCreateValidator(node.Valoper, pub, sdk.NewCoin(params.BaseDenom, stake),
		stakingtypes.NewDescription(node.Name, "", "", "", ""), commission, sdkmath.OneInt())
	if err != nil {
		return err
	}
	b := g.app.TxConfig().NewTxBuilder()
	if err := b.SetMsgs(msg); err != nil {
		return err
	}
	b.SetMemo(g.peers[len(g.peers)-1])
	b.SetGasLimit(200_000)
	f := tx.Factory{}.WithChainID(g.n.ChainID).WithKeybase(kr).WithTxConfig(g.app.TxConfig()).WithMemo(g.peers[len(g.peers)-1])
	if err := tx.Sign(ctx, f, owner, b, true); err != nil {
		return err
	}
	g.genTxs = append(g.genTxs, b.GetTx())
	return nil
}

// write fills the modules' genesis in and writes the file that all nodes share.
func (g *genesisBuilder) write(ctx context.Context) error {
	cdc := g.app.Codec()
	state := g.app.DefaultGenesis()

	accounts, err := authtypes.PackAccounts(g.accounts)
	if err != nil {
		return err
	}
	var auth authtypes.GenesisState
	cdc.MustUnmarshalJSON(state[authtypes.ModuleName], &auth)
	auth.Accounts = accounts
	state[authtypes.ModuleName] = cdc.MustMarshalJSON(&auth)

	var bank banktypes.GenesisState
	cdc.MustUnmarshalJSON(state[banktypes.ModuleName], &bank)
	bonds := minerBond.Amount.MulRaw(int64(len(g.n.Miners) * len(g.n.Runs())))
	g.balances = append(g.balances, banktypes.Balance{
		Address: authtypes.NewModuleAddress(registry.ModuleName).String(),
		Coins:   sdk.NewCoins(sdk.NewCoin(params.BaseDenom, bonds)),
	})
	bank.Balances = banktypes.SanitizeGenesisBalances(g.balances)
	state[banktypes.ModuleName] = cdc.MustMarshalJSON(&bank)

	var gov govv1.GenesisState
	cdc.MustUnmarshalJSON(state[govtypes.ModuleName], &gov)
	voting, expedited := 2*time.Minute, time.Minute
	gov.Params.VotingPeriod, gov.Params.ExpeditedVotingPeriod = &voting, &expedited
	state[govtypes.ModuleName] = cdc.MustMarshalJSON(&gov)

	// A laptop sleeps and nodes are killed for the fun of it: being away for an hour is not downtime here.
	var slashing slashingtypes.GenesisState
	cdc.MustUnmarshalJSON(state[slashingtypes.ModuleName], &slashing)
	slashing.Params.SignedBlocksWindow = 10_000
	state[slashingtypes.ModuleName] = cdc.MustMarshalJSON(&slashing)

	if err := g.modules(ctx, state); err != nil {
		return err
	}
	if g.options.edit != nil {
		if err := g.options.edit(cdc, state); err != nil {
			return err
		}
	}
	raw := map[string]json.RawMessage(state)
	raw, err = genutil.SetGenTxsInAppGenesisState(cdc, g.app.TxConfig().TxJSONEncoder(), raw, g.genTxs)
	if err != nil {
		return err
	}
	if err := g.app.Basics().ValidateGenesis(cdc, g.app.TxConfig(), raw); err != nil {
		return fmt.Errorf("invalid genesis: %w", err)
	}
	appState, err := json.MarshalIndent(raw, "", " ")
	if err != nil {
		return err
	}
	doc := genutiltypes.NewAppGenesisWithVersion(g.n.ChainID, appState)
	doc.GenesisTime = g.start
	doc.Consensus.Params = app.ConsensusParams()
	return genutil.ExportGenesisFile(doc, g.n.genesis())
}

// configureNodes writes each node's config.toml, app.toml and its copy of the genesis.
func (g *genesisBuilder) configureNodes(context.Context) error {
	for i, node := range g.n.Nodes {
		if err := g.n.configure(node, slices.Delete(slices.Clone(g.peers), i, i+1), g.options.configure); err != nil {
			return err
		}
	}
	return nil
}

// configure writes the files of a node that talks to the peers.
func (n *Network) configure(node Node, peers []string, change func(string, *cmtconfig.Config, *serverconfig.Config)) error {
	doc, err := os.ReadFile(n.genesis())
	if err != nil {
		return err
	}
	cfg := cmtconfig.DefaultConfig()
	cfg.SetRoot(n.Dir(node.Name))
	cfg.Moniker = node.Name
	cfg.RPC.ListenAddress = "tcp://" + hostPort(node.RPC)
	cfg.RPC.PprofListenAddress = ""
	cfg.P2P.ListenAddress = "tcp://" + hostPort(node.P2P)
	cfg.P2P.AddrBookStrict = false
	cfg.P2P.AllowDuplicateIP = true
	cfg.P2P.PexReactor = false
	cfg.P2P.PersistentPeers = strings.Join(peers, ",")
	cfg.Consensus.TimeoutCommit = blockTime

	srv := serverconfig.DefaultConfig()
	srv.MinGasPrices = params.MinGasPrices
	srv.GRPC.Address = hostPort(node.GRPC)
	srv.API.Enable = true
	srv.API.Swagger = true
	srv.API.Address = "tcp://" + hostPort(node.API)
	if change != nil {
		change(node.Name, cfg, srv)
	}
	cmtconfig.WriteConfigFile(filepath.Join(cfg.RootDir, "config", "config.toml"), cfg)
	serverconfig.WriteConfigFile(filepath.Join(cfg.RootDir, "config", "app.toml"), srv)
	// The SDK reads its telemetry settings from this file and wants it to exist.
	if err := os.WriteFile(filepath.Join(cfg.RootDir, "config", "otel.yaml"), nil, 0o600); err != nil {
		return err
	}
	return os.WriteFile(cfg.GenesisFile(), doc, 0o644)
}
