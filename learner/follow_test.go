package learner

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/testutil/tiny"
)

// behind is a network of several nodes: some questions are answered by one that has not executed the newest blocks.
type behind struct {
	*network
	heads    int    // so many answers of Head are old
	versions int    // so many answers of Checkpoint are old
	old      int    // checkpoints that the old node has
	stood    bool   // for it none has fallen
	asked    func() // after Head
}

func (b *behind) lag(heads, versions, old int, stood bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heads, b.versions, b.old, b.stood = heads, versions, old, stood
}

func (b *behind) caughtUp() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.heads == 0 && b.versions == 0
}

// view is the network as the old node has it; the lock is held.
func (b *behind) view() *network {
	v := &network{checkpoints: b.checkpoints[:min(b.old, len(b.checkpoints))], fell: b.fell}
	if b.stood {
		v.fell = nil
	}
	return v
}

func (b *behind) Head(ctx context.Context, run uint64) (lineage.Checkpoint, error) {
	b.mu.Lock()
	if b.asked != nil {
		defer b.asked()
	}
	defer b.mu.Unlock()
	if b.heads > 0 {
		b.heads--
		return b.view().Head(ctx, run)
	}
	return b.version(uint64(b.head())), nil
}

func (b *behind) Checkpoint(ctx context.Context, run, version uint64) (lineage.Checkpoint, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.versions > 0 && version > 0 { // version 0 is asked for once, when the learner starts
		b.versions--
		return b.view().Checkpoint(ctx, run, version)
	}
	if version >= uint64(len(b.checkpoints)) {
		return lineage.Checkpoint{}, false, nil
	}
	return b.version(version), true, nil
}

// withOne starts a learner whose version 1 is published and in its journal as such.
func withOne(t *testing.T) (b *behind, base *checkpoint.Checkpoint, d *Daemon, stop func() error) {
	t.Helper()
	base, err := models.Base()
	require.NoError(t, err)
	b = &behind{network: newNetwork(t, base)}
	config := testConfig(t)
	config.Evaluation.Problems = 0
	d, stop = startDaemon(t, config, Home(t.TempDir()), b)
	b.settle(t, 0, 0, base.Digest, base.Model, 4, generate.Honest{})
	eventually(t, "version 1 is published", func() bool { r, ok, err := d.core.journal.Version(1); return err == nil && ok && r.Published })
	return b, base, d, stop
}

// goesOn demands that the next window makes the version that follows the chain's head.
func goesOn(t *testing.T, b *behind, base *checkpoint.Checkpoint, window uint64) {
	t.Helper()
	b.mu.Lock()
	n, parent := len(b.checkpoints), b.checkpoints[b.head()]
	b.mu.Unlock()
	b.settle(t, window, 0, base.Digest, base.Model, 4, generate.Honest{})
	eventually(t, fmt.Sprintf("version %d is published", n), func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.checkpoints) == n+1 })
	require.Equal(t, parent.Digest, b.checkpoints[n].Parent)
}

// An answer of a node that is behind costs an honest learner nothing: its version stands, and the next is made from it.
func TestANodeThatIsBehindMakesNoVersionFall(t *testing.T) {
	for name, lag := range map[string]struct{ heads, versions int }{
		"one old head":           {1, 0},
		"several old heads":      {3, 0},
		"old heads and versions": {2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b, base, d, stop := withOne(t)
			b.lag(lag.heads, lag.versions, 1, false)
			eventually(t, "the old answers are given", b.caughtUp)
			time.Sleep(50 * time.Millisecond)
			one, _, err := d.core.journal.Version(1)
			require.NoError(t, err)
			require.True(t, one.Published)
			require.False(t, one.Fell)
			goesOn(t, b, base, 1)
			require.NoError(t, stop())
		})
	}
}

// Publication meets a node that is behind, too: it waits, and what was made from the version that the node lacks is no loss.
func TestAVersionIsPublishedThoughANodeLacksItsParent(t *testing.T) {
	b, base, d, stop := withOne(t)
	b.mu.Lock()
	// Of the two questions after a step the learner's next is what publish asks: everything before is answered by then.
	b.asked = func() {
		if newest, err := d.core.journal.Newest(); err == nil && newest.Version == 2 && !newest.Published {
			b.mu.Lock()
			if b.asked != nil {
				b.asked, b.heads, b.old = nil, 2, 1
			}
			b.mu.Unlock()
		}
	}
	b.mu.Unlock()
	goesOn(t, b, base, 1)
	require.True(t, b.caughtUp())
	require.NoError(t, stop())
}

// A learner is killed after the broadcast; when it is back, the transaction is included between its two questions.
func TestATransactionThatIsIncludedBetweenTwoQuestionsIsNoFall(t *testing.T) {
	b, base, d, stop := withOne(t)
	require.NoError(t, stop())
	one := b.checkpoints[1]
	core, err := OpenCore(d.core.home, testChain, 1, base)
	require.NoError(t, err)
	require.NoError(t, core.journal.j.Delete(publishedBucket, daemon.Key(1))) // as if killed before
	require.NoError(t, core.Close())
	b.checkpoints = b.checkpoints[:1]
	b.asked = func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.checkpoints, b.asked = append(b.checkpoints, one), nil
	}
	config := d.config
	config.Server.Listen = freePort(t)
	d, stop = startDaemon(t, config, d.core.home, b)
	eventually(t, "the learner knows", func() bool { r, ok, err := d.core.journal.Version(1); return err == nil && ok && r.Published })
	goesOn(t, b, base, 1)
	r, _, err := d.core.journal.Version(1)
	require.NoError(t, err)
	require.False(t, r.Fell)
	require.NoError(t, stop())
}

// A version that fell is recognised however the answers of nodes that are behind mix with the others'.
func TestAVersionThatFellIsRecognisedBehindOldAnswers(t *testing.T) {
	for name, lag := range map[string]struct{ heads, versions int }{
		"no old answer":      {0, 0},
		"the head is old":    {3, 0},
		"the version is old": {0, 2},
		"both are old":       {1, 3},
	} {
		t.Run(name, func(t *testing.T) {
			b, base, d, stop := withOne(t)
			b.mu.Lock()
			b.heads, b.versions, b.old, b.stood = lag.heads, lag.versions, 2, true
			b.fell[1] = true
			b.mu.Unlock()
			eventually(t, "the learner knows", func() bool { h, err := d.core.journal.Head(); return err == nil && h.Version == 0 })
			goesOn(t, b, base, 1)
			require.Equal(t, base.Digest, b.checkpoints[2].Parent)
			require.NoError(t, stop())
		})
	}
}

// A learner is killed after the broadcast of a version. The node that answers when it is back has executed neither that nor the
// fall of the version before: that fell for good, so the new one is not dropped for it.
func TestANodeThatDoesNotKnowOfAFallYetDropsNothing(t *testing.T) {
	b, base, d, stop := withOne(t)
	b.mu.Lock()
	b.fell[1] = true
	b.mu.Unlock()
	goesOn(t, b, base, 1)
	eventually(t, "version 2 is published", func() bool { r, ok, err := d.core.journal.Version(2); return err == nil && ok && r.Published })
	require.NoError(t, stop())
	core, err := OpenCore(d.core.home, testChain, 1, base)
	require.NoError(t, err)
	require.NoError(t, core.journal.j.Delete(publishedBucket, daemon.Key(2))) // as if killed before
	require.NoError(t, core.Close())
	b.lag(2, 2, 2, true)
	config := d.config
	config.Server.Listen = freePort(t)
	d, stop = startDaemon(t, config, d.core.home, b)
	goesOn(t, b, base, 2)
	require.Equal(t, b.checkpoints[2].Digest, b.checkpoints[3].Parent)
	one, _, err := d.core.journal.Version(1)
	require.NoError(t, err)
	require.True(t, one.Fell)
	require.NoError(t, stop())
}

// A journal that holds a version for fallen which the chain has as its head is put right, with the version's ancestors;
// what was made meanwhile from an older version is dropped, and no plan for it survives.
func TestAVersionThatStandsIsTakenBackAsTheHead(t *testing.T) {
	b, base, d, stop := withOne(t)
	goesOn(t, b, base, 1)
	eventually(t, "version 2 is published", func() bool { r, ok, err := d.core.journal.Version(2); return err == nil && ok && r.Published })
	require.NoError(t, stop())
	core, err := OpenCore(d.core.home, testChain, 1, base)
	require.NoError(t, err)
	for v := uint64(1); v <= 2; v++ {
		require.NoError(t, core.journal.j.Put(fellBucket, daemon.Key(v), true))
	}
	require.NoError(t, core.journal.Decide(Plan{Version: 3, Parent: 0, Windows: []uint64{9}}))
	require.NoError(t, core.journal.Made(Record{Version: 3, Parent: base.Digest, Digest: bytes.Repeat([]byte{3}, 32), TrainedWindows: []uint64{9}}))
	require.NoError(t, core.Close())

	config := d.config
	config.Server.Listen = freePort(t)
	d, stop = startDaemon(t, config, d.core.home, b)
	goesOn(t, b, base, 10)
	for v := uint64(1); v <= 2; v++ {
		r, _, err := d.core.journal.Version(v)
		require.NoError(t, err)
		require.False(t, r.Fell, "version %d", v)
	}
	require.NoError(t, stop())
}

// The spool of a plan goes with the version that it made. So the plan goes with the version, too, when that is dropped.
func TestADroppedVersionTakesItsPlanAlong(t *testing.T) {
	c := openCore(t, Home(t.TempDir()), 1)
	eng := tiny.Engine(t, "base")
	for range 2 {
		r, err := c.Step(t.Context(), decideNext(t, c, eng))
		require.NoError(t, err)
		require.NoError(t, c.journal.Measured(r.Version, Accuracy{N: 1}))
		require.NoError(t, c.Prune(4))
	}
	require.NoError(t, c.journal.Drop(2))
	_, planned, err := c.journal.Plan()
	require.NoError(t, err)
	require.False(t, planned)
	made, err := c.Step(t.Context(), decideNext(t, c, eng))
	require.NoError(t, err)
	require.EqualValues(t, 2, made.Version)
	two, _, err := c.journal.Version(2)
	require.NoError(t, err)
	require.Nil(t, two.Accuracy, "it is another version 2")
}
