package miner

import (
	_ "embed"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/pflag"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/env/questions"
)

//go:embed config.toml
var template []byte

// Settings describes the miner's configuration file.
var Settings = daemon.Settings{EnvPrefix: "GALAHAD_MINER", Template: template}

// Config is the miner's settings; config.toml says what each is.
type Config struct {
	Runs         []uint64           `mapstructure:"runs"`
	Environments []string           `mapstructure:"environments"`
	Chain        client.Config      `mapstructure:"chain"`
	Register     RegisterConfig     `mapstructure:"register"`
	Server       ServerConfig       `mapstructure:"server"`
	Generate     GenerateConfig     `mapstructure:"generate"`
	Claim        ClaimConfig        `mapstructure:"claim"`
	Storage      StorageConfig      `mapstructure:"storage"`
	Checkpoints  checkpoints.Config `mapstructure:"checkpoints"`
	Fetch        FetchConfig        `mapstructure:"fetch"`
	Log          daemon.LogConfig   `mapstructure:"log"`
}

// RegisterConfig is about the miner's registration, for each run.
type RegisterConfig struct {
	Auto   bool   `mapstructure:"auto"`
	Bond   string `mapstructure:"bond"`
	Groups uint32 `mapstructure:"groups"`
	TopUp  bool   `mapstructure:"top_up"`
	// LimitPrice is the most that the place may cost; empty is 1.5 times its price at the moment.
	LimitPrice string `mapstructure:"limit_price"`
	Metadata   string `mapstructure:"metadata"`
	Unjail     bool   `mapstructure:"unjail"`
}

// ServerConfig is about the HTTP server.
type ServerConfig struct {
	Listen string `mapstructure:"listen"`
	Public string `mapstructure:"public"`
}

// GenerateConfig is about the time budget and the self-check.
type GenerateConfig struct {
	CommitMarginBlocks int64   `mapstructure:"commit_margin_blocks"`
	SpeedMargin        float64 `mapstructure:"speed_margin"`
	SelfCheckGroups    int     `mapstructure:"self_check_groups"`
}

// ClaimConfig is about taking pay.
type ClaimConfig struct {
	Interval time.Duration `mapstructure:"interval"`
	Minimum  string        `mapstructure:"minimum"`
}

// StorageConfig is about batches on disk.
type StorageConfig struct {
	URL              string `mapstructure:"url"`
	RetentionWindows uint64 `mapstructure:"retention_windows"`
}

// FetchConfig is about downloads.
type FetchConfig struct {
	AllowPrivate daemon.Private `mapstructure:"allow_private"`
}

// LoadConfig reads and checks the settings of a home folder, and makes their environments known; flags may be nil.
// Error: daemon.ErrConfig, naming the key.
func LoadConfig(home string, flags *pflag.FlagSet) (Config, error) {
	var c Config
	if err := Settings.Load(home, flags, &c); err != nil {
		return Config{}, err
	}
	if c.Server.Public == "" {
		c.Server.Public = "http://" + c.Server.Listen
	}
	if c.Storage.URL == "" {
		abs, err := filepath.Abs(home)
		if err != nil {
			return Config{}, err
		}
		c.Storage.URL = (&url.URL{Scheme: "file", Path: filepath.ToSlash(abs)}).String()
	}
	if err := questions.Add(c.Environments); err != nil {
		return Config{}, fmt.Errorf("%w: environments: %w", daemon.ErrConfig, err)
	}
	return c, c.Validate()
}

// Validate names the first setting that is out of range.
func (c Config) Validate() error {
	runs := slices.Clone(c.Runs)
	slices.Sort(runs)
	checks := []daemon.Check{{
		Key: "runs", Want: "ids of runs, from 1, each once",
		OK: len(runs) > 0 && runs[0] > 0 && len(slices.Compact(runs)) == len(c.Runs),
	}}
	checks = append(checks, c.Chain.Checks()...)
	checks = append(checks,
		daemon.Check{Key: "register.bond", Want: "an amount such as 100000000000000000000agal", OK: isCoin(c.Register.Bond)},
		daemon.Check{Key: "register.limit_price", Want: "empty or an amount such as 2000000000000000000agal", OK: c.Register.LimitPrice == "" || isCoin(c.Register.LimitPrice)},
		daemon.Check{Key: "register.groups", Want: "at least 1", OK: c.Register.Groups >= 1},
		daemon.Check{Key: "server.listen", Want: "host:port", OK: daemon.IsHostPort(c.Server.Listen)},
		daemon.Check{Key: "server.public", Want: "an http URL", OK: daemon.IsHTTP(c.Server.Public)},
		daemon.Check{Key: "generate.commit_margin_blocks", Want: "1 to 1000", OK: c.Generate.CommitMarginBlocks >= 1 && c.Generate.CommitMarginBlocks <= 1000},
		daemon.Check{Key: "generate.speed_margin", Want: "above 0, at most 1", OK: c.Generate.SpeedMargin > 0 && c.Generate.SpeedMargin <= 1},
		daemon.Check{Key: "generate.self_check_groups", Want: "0 or more", OK: c.Generate.SelfCheckGroups >= 0},
		c.Fetch.AllowPrivate.Check("fetch.allow_private"),
		daemon.Check{Key: "claim.interval", Want: "0 or more", OK: c.Claim.Interval >= 0},
		daemon.Check{Key: "claim.minimum", Want: "an amount such as 1000000000000000agal", OK: isCoin(c.Claim.Minimum)},
		daemon.Check{Key: "storage.retention_windows", Want: "at least 1", OK: c.Storage.RetentionWindows >= 1},
	)
	checks = append(checks, c.Checkpoints.Checks()...)
	return daemon.FirstError(append(checks, c.Log.Checks()...))
}

func isCoin(s string) bool {
	_, err := sdk.ParseCoinNormalized(s)
	return err == nil
}
