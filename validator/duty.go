package validator

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/daemon"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// conform refuses a run that expects another build.
func (v *Validator) conform(ctx context.Context) error {
	v.phase("waiting for the chain")
	err := daemon.Retry(ctx, v.log, daemon.DefaultBackoff, fmt.Sprintf("prepare for run %d", v.config.Run), func(ctx context.Context) error {
		build, err := checkpoints.Conform(ctx, v.chain, v.policies, v.config.Run)
		v.build = build
		return err
	})
	return daemon.Unmark(err)
}

// window does this grader's duty in a window. Only errors that concern every
// window are returned.
func (v *Validator) window(ctx context.Context, id uint64) error {
	defer v.progress(id, "")
	for failed := 1; ; failed++ {
		err := v.duty(ctx, id)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrConformance), errors.Is(err, daemon.ErrJournal):
			return err
		case errors.Is(err, errGone):
			v.log.Warn("window is over before this grader's duty was done", "window", id)
			return nil
		case errors.Is(err, errAnotherVersion):
			v.log.Warn("no verdicts: the window was made with another version, before the run moved on to this one", "window", id)
			return nil
		}
		v.log.Error("window not graded yet; trying again", "window", id, "error", err)
		if err := daemon.Sleep(ctx, daemon.Backoff{Min: 200 * time.Millisecond, Max: 3 * time.Second}.Pause(failed)); err != nil {
			return err
		}
	}
}

// frozen reports whether this grader is one of the window's.
func (v *Validator) frozen(ctx context.Context, id uint64) (bool, error) {
	graders, err := v.chain.WindowGraders(ctx, v.config.Run, id)
	if err != nil {
		return false, err
	}
	for _, g := range graders {
		if g.Address == v.operator.String() {
			return true, nil
		}
	}
	v.log.Info("not among this window's graders", "window", id)
	return false, nil
}

// duty decides, posts and reveals, each once, whatever an earlier life of this
// process has done already.
func (v *Validator) duty(ctx context.Context, id uint64) error {
	frozen, err := v.frozen(ctx, id)
	if err != nil || !frozen {
		return err
	}
	s, open := v.current().find(id)
	if !open {
		return errGone
	}
	d, found, err := v.journal.decision(id)
	if err != nil {
		return err
	}
	if !found {
		if s.Stage > challengetypes.StageAudit {
			return errGone
		}
		v.progress(id, "auditing")
		if d, err = v.decide(ctx, s.Window); err != nil {
			return err
		}
	}
	v.progress(id, "posting the hash")
	if err := v.post(ctx, id, d); err != nil {
		return err
	}
	v.proveOwed()
	v.progress(id, "waiting for REVEAL")
	w, err := v.await(ctx, func(w view) bool {
		s, open := w.find(id)
		return !open || s.Stage >= challengetypes.StageReveal
	})
	if err != nil {
		return err
	}
	if s, open := w.find(id); !open || s.Stage != challengetypes.StageReveal {
		return errGone
	}
	v.progress(id, "revealing")
	return v.reveal(ctx, id, d)
}

// decide audits the window and writes the decision to the journal, after the evidence that
// is owed for it.
func (v *Validator) decide(ctx context.Context, w challengetypes.Window) (decision, error) {
	j, err := v.assess(ctx, w)
	if err != nil {
		return decision{}, err
	}
	verdicts, err := j.verdicts()
	if err != nil {
		return decision{}, fmt.Errorf("verdicts that the chain would refuse: %w", err)
	}
	canonical, err := verdicts.Canonical()
	if err != nil {
		return decision{}, err
	}
	salt := make([]byte, settlementtypes.HashSize)
	if _, err := rand.Read(salt); err != nil {
		return decision{}, err
	}
	hash, err := verdicts.Hash(v.chain.ChainID(), w.Run, w.Id, v.operator, salt)
	if err != nil {
		return decision{}, err
	}
	d := decision{Verdicts: canonical, Salt: salt, Hash: hash, RevealEnd: j.audit.RevealEnd}
	if err := j.owe(); err != nil {
		return decision{}, err
	}
	if err := v.journal.decide(w.Id, d); err != nil {
		return decision{}, err
	}
	j.report()
	return d, nil
}

// post puts the hash on chain, unless it is there.
func (v *Validator) post(ctx context.Context, id uint64, d decision) error {
	there, err := v.posted(ctx, id, d)
	if there || err != nil {
		return err
	}
	if s, open := v.current().find(id); !open || s.Stage > challengetypes.StageAudit {
		return errGone
	}
	err = v.send(ctx, &settlementtypes.MsgCommitVerdicts{Grader: v.account(), Run: v.config.Run, Window: id, Hash: d.Hash})
	if err == nil {
		v.log.Info("verdicts committed", "window", id, "hash", fmt.Sprintf("%x", d.Hash[:6]))
		return nil
	}
	// The transaction of an earlier life, or one that was thought lost, may be in.
	if there, again := v.posted(ctx, id, d); there && again == nil {
		return nil
	}
	return fmt.Errorf("commit verdicts: %w", err)
}

// posted asks the chain for this grader's hash. Another hash than ours means that
// the key works elsewhere, too: its verdicts stand and ours cannot be revealed.
func (v *Validator) posted(ctx context.Context, id uint64, d decision) (bool, error) {
	commits, err := v.chain.VerdictCommits(ctx, v.config.Run, id)
	if err != nil {
		return false, err
	}
	for _, c := range commits {
		if c.Grader != v.operator.String() {
			continue
		}
		if !bytes.Equal(c.Hash, d.Hash) {
			v.log.Error("the chain has another hash of this grader: does a second validator use its key, or was the home folder replaced?", "window", id)
			return false, errGone
		}
		return true, nil
	}
	return false, nil
}

// reveal opens the hash, unless it is opened.
func (v *Validator) reveal(ctx context.Context, id uint64, d decision) error {
	there, err := v.revealed(ctx, id)
	if there || err != nil {
		return err
	}
	if s, open := v.current().find(id); !open || s.Stage > challengetypes.StageReveal {
		return errGone
	}
	var verdicts settlementtypes.Verdicts
	if err := verdicts.Unmarshal(d.Verdicts); err != nil {
		return fmt.Errorf("%w: verdicts of window %d: %w", daemon.ErrJournal, id, err)
	}
	err = v.send(ctx, &settlementtypes.MsgRevealVerdicts{Grader: v.account(), Run: v.config.Run, Window: id, Verdicts: verdicts, Salt: d.Salt})
	if err == nil {
		v.metrics.reveals.Inc()
		v.note(func(s *Status) { s.Revealed = id })
		v.log.Info("verdicts revealed", "window", id)
		return nil
	}
	if there, again := v.revealed(ctx, id); there && again == nil {
		return nil
	}
	return fmt.Errorf("reveal verdicts: %w", err)
}

func (v *Validator) revealed(ctx context.Context, id uint64) (bool, error) {
	reveals, err := v.chain.VerdictReveals(ctx, v.config.Run, id)
	if err != nil {
		return false, err
	}
	for _, r := range reveals {
		if r.Grader == v.operator.String() {
			return true, nil
		}
	}
	return false, nil
}
