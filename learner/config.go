package learner

import (
	_ "embed"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/env/questions"
)

//go:embed config.toml
var template []byte

// Settings are the learner's settings: the commented config.toml that init writes, its keys and defaults, and
// GALAHAD_LEARNER_* in the environment.
var Settings = daemon.Settings{EnvPrefix: "GALAHAD_LEARNER", Template: template}

// Config is the content of config.toml.
type Config struct {
	Run          uint64        `mapstructure:"run"`
	Environments []string      `mapstructure:"environments"`
	BaseModel    string        `mapstructure:"base_model"` // folder of the run's base model; empty: the shipped one
	Chain        client.Config `mapstructure:"chain"`
	Server       ServerConfig  `mapstructure:"server"`
	Train        TrainConfig   `mapstructure:"train"`
	Fetch        FetchConfig   `mapstructure:"fetch"`
	// Checkpoints are those of other runs, where the run is in a swarm.
	Checkpoints checkpoints.Config `mapstructure:"checkpoints"`
	Evaluation  EvaluationConfig   `mapstructure:"evaluation"`
	Retention   RetentionConfig    `mapstructure:"retention"`
	Log         daemon.LogConfig   `mapstructure:"log"`
}

// ServerConfig is about the HTTP server for checkpoints, status and metrics.
type ServerConfig struct {
	Listen string `mapstructure:"listen"` // host:port
	Public string `mapstructure:"public"` // URL under which others reach the server; empty: http://<listen>
}

// TrainConfig is about steps. What a step computes is the run's recipe, on chain.
type TrainConfig struct {
	MaxStaleness uint64 `mapstructure:"max_staleness"` // versions between a rollout's checkpoint and the one updated
	Accuse       bool   `mapstructure:"accuse"`        // miners whose settled rollouts fail a check
	Threads      int    `mapstructure:"threads"`       // 0: one per core
}

// FetchConfig bounds what a miner's server can cost the learner.
type FetchConfig struct {
	Timeout      time.Duration  `mapstructure:"timeout"`       // one batch, all of it
	Stall        time.Duration  `mapstructure:"stall"`         // without a byte
	Attempts     int            `mapstructure:"attempts"`      // before a batch is left out
	MaxBytes     int64          `mapstructure:"max_bytes"`     // of a batch, compressed or not
	Parallel     int            `mapstructure:"parallel"`      // batches at once
	AllowPrivate daemon.Private `mapstructure:"allow_private"` // private and loopback addresses, too
}

// EvaluationConfig is about the accuracy that /status reports.
type EvaluationConfig struct {
	Problems int    `mapstructure:"problems"` // held-out problems a checkpoint; 0: no evaluation
	Env      string `mapstructure:"env"`      // environment that they are drawn from
	MaxNew   int    `mapstructure:"max_new"`  // tokens of an answer at most
	Seed     uint64 `mapstructure:"seed"`     // of problems and samples; the same for every checkpoint
	Threads  int    `mapstructure:"threads"`  // 0: one per core
}

// RetentionConfig says how much history stays on disk.
type RetentionConfig struct {
	Checkpoints int `mapstructure:"checkpoints"` // newest versions whose files are kept and served
}

// LoadConfig reads the settings of a home folder, with variables and the flags that were set over them. Every error wraps
// daemon.ErrConfig and names the key.
func LoadConfig(home string, flags *pflag.FlagSet) (Config, error) {
	var c Config
	if err := Settings.Load(home, flags, &c); err != nil {
		return Config{}, err
	}
	if c.Server.Public == "" {
		c.Server.Public = "http://" + c.Server.Listen
	}
	if err := questions.Add(c.Environments); err != nil {
		return Config{}, fmt.Errorf("%w: environments: %w", daemon.ErrConfig, err)
	}
	return c, c.Validate()
}

// Validate names the first setting that is out of range.
func (c Config) Validate() error {
	_, unknown := env.Lookup(c.Evaluation.Env)
	threads := func(n int) bool { return n >= 0 && n <= 1024 }
	checks := []daemon.Check{{Key: "run", Want: "a run's id, from 1", OK: c.Run > 0}}
	checks = slices.Concat(checks, c.Chain.Checks(), c.Log.Checks(), c.Checkpoints.Checks())
	checks = append(checks, []daemon.Check{
		{Key: "server.listen", Want: "host:port", OK: daemon.IsHostPort(c.Server.Listen)},
		{Key: "server.public", Want: "an http URL", OK: daemon.IsHTTP(c.Server.Public)},
		{Key: "train.threads", Want: "0 to 1024", OK: threads(c.Train.Threads)},
		{Key: "fetch.timeout", Want: "above 0", OK: c.Fetch.Timeout > 0},
		{Key: "fetch.stall", Want: "above 0", OK: c.Fetch.Stall > 0},
		{Key: "fetch.attempts", Want: "1 to 100", OK: c.Fetch.Attempts >= 1 && c.Fetch.Attempts <= 100},
		{Key: "fetch.max_bytes", Want: "1048576 or more", OK: c.Fetch.MaxBytes >= 1<<20},
		c.Fetch.AllowPrivate.Check("fetch.allow_private"),
		{Key: "fetch.parallel", Want: "1 to 64", OK: c.Fetch.Parallel >= 1 && c.Fetch.Parallel <= 64},
		{Key: "evaluation.problems", Want: "0 to 100000", OK: c.Evaluation.Problems >= 0 && c.Evaluation.Problems <= 100_000},
		{Key: "evaluation.env", Want: "a built-in environment", OK: unknown == nil},
		{Key: "evaluation.max_new", Want: "at least 1", OK: c.Evaluation.MaxNew >= 1},
		{Key: "evaluation.threads", Want: "0 to 1024", OK: threads(c.Evaluation.Threads)},
		// Rollouts of a version are replayed until it is max_staleness versions old.
		{Key: "retention.checkpoints", Want: "train.max_staleness + 2 or more", OK: c.Train.MaxStaleness < 1<<30 && c.Retention.Checkpoints >= int(c.Train.MaxStaleness)+2},
	}...)
	return daemon.FirstError(checks)
}
