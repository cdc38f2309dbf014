package miner

import (
	"context"
	"errors"
	"fmt"
	"time"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/daemon"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// prepare makes sure that this build fits the run and that the miner is
// registered, before any work.
func (m *worker) prepare(ctx context.Context) error {
	m.phase("waiting for the chain")
	var retry daemon.Backoff = daemon.DefaultBackoff
	err := daemon.Retry(ctx, m.log, retry, fmt.Sprintf("prepare for run %d", m.run), func(ctx context.Context) error {
		return m.conform(ctx)
	})
	if err != nil {
		return daemon.Unmark(err)
	}
	if !m.config.Register.Auto {
		return nil
	}
	m.phase("registering")
	err = daemon.Retry(ctx, m.log, retry, "register", func(ctx context.Context) error {
		return Register(ctx, m.chain, m.sender, m.config, m.run, func(what string, args ...any) { m.log.Info(what, args...) })
	})
	return daemon.Unmark(err)
}

// conform refuses a run that expects another build.
func (m *worker) conform(ctx context.Context) (err error) {
	m.build, err = checkpoints.Conform(ctx, m.chain, m.policies, m.run)
	return err
}

// Register makes the registration for a run what the settings say: it registers the key, or
// changes endpoint and declared groups, or bonds what slashing took. say hears
// about each transaction.
func Register(ctx context.Context, chain Chain, sender Sender, c Config, run uint64, say func(string, ...any)) error {
	bond, err := sdk.ParseCoinNormalized(c.Register.Bond)
	if err != nil {
		return daemon.Permanent(fmt.Errorf("register.bond: %w", err))
	}
	address := sender.Address().String()
	have, found, err := chain.Miner(ctx, run, sender.Address())
	if err != nil {
		return err
	}
	if !found {
		limit, err := limitPrice(ctx, chain, c, run)
		if err != nil {
			return err
		}
		_, err = sender.Tx(ctx, &registrytypes.MsgRegister{
			Miner: address, Run: run, Bond: bond.Amount, Endpoint: c.Server.Public, DeclaredGroups: c.Register.Groups,
			LimitPrice: limit, Metadata: c.Register.Metadata,
		})
		if err != nil {
			return fmt.Errorf("register %s for run %d: %w", address, run, err)
		}
		say("registered", "run", run, "address", address, "bond", bond.String(), "groups", c.Register.Groups, "limit_price", limit.String()+bond.Denom)
		return nil
	}
	var msgs []sdk.Msg
	if have.Miner.Endpoint != c.Server.Public {
		msgs = append(msgs, &registrytypes.MsgUpdateEndpoint{Miner: address, Run: run, Endpoint: c.Server.Public})
	}
	if have.Miner.DeclaredGroups != c.Register.Groups {
		msgs = append(msgs, &registrytypes.MsgDeclareGroups{Miner: address, Run: run, DeclaredGroups: c.Register.Groups})
	}
	if said := c.Register.Metadata; said != "" && said != have.Miner.Metadata {
		msgs = append(msgs, &registrytypes.MsgUpdateMetadata{Miner: address, Run: run, Metadata: c.Register.Metadata})
	}
	if missing := bond.Amount.Sub(have.Miner.Bond); c.Register.TopUp && missing.IsPositive() {
		msgs = append(msgs, &registrytypes.MsgBond{Miner: address, Run: run, Amount: missing})
	}
	if len(msgs) == 0 {
		return nil
	}
	if _, err := sender.Tx(ctx, msgs...); err != nil {
		return fmt.Errorf("update the registration of %s: %w", address, err)
	}
	say("registration updated", "run", run, "address", address, "changes", len(msgs))
	return nil
}

// limitPrice is the most that the place may cost: what the settings say, or half
// above its price now, since somebody else may register first.
func limitPrice(ctx context.Context, chain Chain, c Config, run uint64) (sdkmath.Int, error) {
	if c.Register.LimitPrice != "" {
		limit, err := sdk.ParseCoinNormalized(c.Register.LimitPrice)
		if err != nil {
			return sdkmath.Int{}, daemon.Permanent(fmt.Errorf("register.limit_price: %w", err))
		}
		return limit.Amount, nil
	}
	now, err := chain.RegistrationPrice(ctx, run)
	if err != nil {
		return sdkmath.Int{}, fmt.Errorf("price of a place in run %d: %w", run, err)
	}
	return now.Price.MulRaw(3).QuoRaw(2), nil
}

// Unjail ends the miner's jail term if it is over, and returns what it did. The error
// for a term that is not over says what is missing.
func Unjail(ctx context.Context, chain Chain, sender Sender, run uint64) (string, error) {
	have, found, err := chain.Miner(ctx, run, sender.Address())
	switch {
	case err != nil:
		return "", err
	case !found || !have.Jail.Jailed:
		return "not jailed; nothing to do", nil
	case !have.Jail.CanUnjail:
		return "", errors.New(have.Jail.Advice)
	}
	r, err := sender.Tx(ctx, &registrytypes.MsgUnjail{Miner: sender.Address().String(), Run: run})
	if err != nil {
		return "", fmt.Errorf("unjail: %w", err)
	}
	return fmt.Sprintf("unjailed in block %d; the next window that freezes can take you", r.Height), nil
}

// unjailInterval is the time between two looks at the miner's jail term.
const unjailInterval = 30 * time.Second

// free ends a jail term that is over, or says how to, once for each term.
func (m *worker) free(ctx context.Context) error {
	var said uint64 // until_window of the term that was spoken of
	for {
		have, found, err := m.chain.Miner(ctx, m.run, m.sender.Address())
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			m.log.Debug("jail term not looked up", "error", err)
		case found && have.Jail.Jailed && have.Jail.CanUnjail && m.config.Register.Unjail:
			if what, err := Unjail(ctx, m.chain, m.sender, m.run); err != nil {
				m.log.Warn("still jailed", "error", err)
			} else {
				m.log.Info(what)
			}
		case found && have.Jail.Jailed && said != have.Jail.UntilWindow+1:
			said = have.Jail.UntilWindow + 1
			m.log.Warn("jailed: this miner gets no work", "advice", have.Jail.Advice, "then", "galahad-miner unjail, or register.unjail = true")
		}
		if err := daemon.Sleep(ctx, m.jailInterval); err != nil {
			return err
		}
	}
}

// claim takes unlocked pay now and then.
func (m *worker) claim(ctx context.Context) error {
	if m.config.Claim.Interval == 0 {
		return nil
	}
	minimum, err := sdk.ParseCoinNormalized(m.config.Claim.Minimum)
	if err != nil {
		return fmt.Errorf("claim.minimum: %w", err)
	}
	total := sdkmath.ZeroInt() // of this run
	for {
		amount, err := Claim(ctx, m.chain, m.sender, m.run, minimum.Amount)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			m.log.Warn("pay stays unclaimed for now", "error", err)
		case amount.IsPositive():
			total = total.Add(amount)
			m.metrics.claims.Inc()
			m.note(func(s *RunStatus) { s.Claimed = total.String() })
			m.log.Info("claimed", "amount", amount.String()+minimum.Denom)
		}
		if err := daemon.Sleep(ctx, m.config.Claim.Interval); err != nil {
			return err
		}
	}
}

// Claim takes a miner's unlocked pay if it is at least minimum, and returns what
// was claimable.
func Claim(ctx context.Context, chain Chain, sender Sender, run uint64, minimum sdkmath.Int) (sdkmath.Int, error) {
	credits, err := chain.Credits(ctx, run, sender.Address())
	if err != nil {
		return sdkmath.ZeroInt(), err
	}
	if !credits.Claimable.IsPositive() || credits.Claimable.LT(minimum) {
		return sdkmath.ZeroInt(), nil
	}
	if _, err := sender.Tx(ctx, &settlementtypes.MsgClaim{Miner: sender.Address().String(), Run: run}); err != nil {
		return sdkmath.ZeroInt(), fmt.Errorf("claim: %w", err)
	}
	return credits.Claimable, nil
}
