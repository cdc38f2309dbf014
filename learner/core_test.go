package learner

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/testutil/tiny"
)

const testChain = "galahad-local-1"

// tinyBase is an untrained model as a checkpoint.
func tinyBase(t testing.TB) *checkpoint.Checkpoint {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "base")
	_, err := checkpoint.WriteDir(dir, tiny.Model(t, "base"), tokenizer.ArithmeticFile(), checkpoint.Options{})
	require.NoError(t, err)
	base, err := checkpoint.Load(dir, nil)
	require.NoError(t, err)
	return base
}

func openCore(t testing.TB, home Home, threads int) *Core {
	t.Helper()
	c, err := OpenCore(home, testChain, threads, tinyBase(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// rewarded returns what a window's collection would be: real rollouts of two miners, with rewards set by hand, because an
// untrained model earns none.
func rewarded(t testing.TB, eng *engine.Engine, window uint64) lineage.Collected {
	t.Helper()
	var out lineage.Collected
	for miner := byte(1); miner <= 2; miner++ {
		c := tiny.Challenge(t, miner)
		c.Window = window
		rollouts, err := generate.Groups(context.Background(), eng, tiny.Tokenizer(t), c, []uint64{0, 1, 2})
		require.NoError(t, err)
		for i := range rollouts {
			rollouts[i].Reward = uint32(sha256.Sum256(fmt.Append(nil, window, miner, i))[0]%2) * 1_000_000
		}
		b, err := batch.New(rollouts)
		require.NoError(t, err)
		out.Leaves = append(out.Leaves, b.Leaves...)
		out.Groups += 3
	}
	return out
}

// A step on rollouts of several turns is the same after a crash: the plan says which tokens the environment wrote.
func TestAStepOnSeveralTurnsIsPlannedWithItsMask(t *testing.T) {
	e, err := env.Lookup("guess-2")
	require.NoError(t, err)
	w := settled(1)
	w.Challenge = tiny.Challenge(t, 1)
	w.Challenge.Mix = []env.MixEntry{{Env: e.ID(), Digest: e.Digest(), Weight: 1}}
	w.Challenge.Generation.MaxNew, w.Challenge.Generation.EndTokens = 30, []int32{2, 4, 7, 12, 16}
	rollouts, err := generate.Groups(t.Context(), tiny.Engine(t, "base"), tiny.Tokenizer(t), w.Challenge, []uint64{0, 1, 2})
	require.NoError(t, err)
	tokens := 0
	for i := range rollouts {
		rollouts[i].Reward = uint32(i%2) * 1_000_000
		tokens += len(rollouts[i].Completion)
	}
	b, err := batch.New(rollouts)
	require.NoError(t, err)
	home := Home(t.TempDir())
	core := openCore(t, home, 1)
	require.NoError(t, decide(core, w, lineage.Collected{Leaves: b.Leaves, Groups: 3}))
	require.NoError(t, core.Close())
	core = openCore(t, home, 1)
	plan, found, err := core.journal.Plan()
	require.NoError(t, err)
	require.True(t, found)
	written := 0
	for _, g := range plan.Given {
		written += g.Tokens()
	}
	require.Greater(t, written, 10)
	made, err := core.Step(t.Context(), plan)
	require.NoError(t, err)
	require.Equal(t, tokens-written, made.Metrics.Tokens)
}

// oneBits is the temperature 1.
var oneBits = math.Float32bits(1)

// settled is a window at temperature 1 with the measured recipe.
func settled(window uint64) lineage.Window {
	return lineage.Window{
		Challenge: verify.Challenge{Run: 1, Window: window, Generation: verify.Generation{TemperatureBits: oneBits}},
		Recipe:    lineage.Recipe{Hyperparameters: grpo.Default(), MinGroups: 2},
	}
}

// decide plans the next step on one window.
func decide(c *Core, w lineage.Window, set lineage.Collected) error {
	newest, err := c.journal.Newest()
	if err != nil {
		return err
	}
	if err := c.Gather(w, set); err != nil {
		return err
	}
	buffer, err := c.journal.Buffer()
	if err != nil {
		return err
	}
	return c.Decide(newest.Version+1, buffer)
}

// stateFile is where the state after a version is.
func stateFile(t testing.TB, c *Core, version uint64) string {
	t.Helper()
	r, found, err := c.journal.Version(version)
	require.NoError(t, err)
	require.True(t, found)
	return filepath.Join(c.home.Checkpoint(r.Digest), lineage.StateFile)
}

// decideNext plans the step that follows the head.
func decideNext(t testing.TB, c *Core, eng *engine.Engine) Plan {
	t.Helper()
	head, err := c.journal.Head()
	require.NoError(t, err)
	require.NoError(t, decide(c, settled(head.Version+1), rewarded(t, eng, head.Version+1)))
	plan, found, err := c.journal.Plan()
	require.NoError(t, err)
	require.True(t, found)
	return plan
}

// content is everything that a home folder's steps produced, without the times.
func content(t testing.TB, c *Core) string {
	t.Helper()
	records, err := c.journal.Versions()
	require.NoError(t, err)
	var out strings.Builder
	for _, r := range records {
		fmt.Fprintf(&out, "%d parent=%s digest=%s windows=%v set=%s state=%s file=%s evaluation=%v metrics=%+v\n",
			r.Version, r.Parent, r.Digest, r.TrainedWindows, r.RolloutSet, r.StateHash, r.StateFile, r.Evaluation, r.Metrics)
		_, err := checkpoint.Verify(c.home.Checkpoint(r.Digest), r.Digest)
		require.NoError(t, err)
		if r.Version > 0 {
			state, err := os.ReadFile(stateFile(t, c, r.Version))
			require.NoError(t, err)
			fmt.Fprintf(&out, "  %x\n", sha256.Sum256(state))
		}
	}
	return out.String()
}

func TestStepsAreTheSameOnEveryNumberOfThreads(t *testing.T) {
	eng := tiny.Engine(t, "base")
	var want string
	for _, threads := range []int{1, 2, 7} {
		c := openCore(t, Home(t.TempDir()), threads)
		for range 3 {
			_, err := c.Step(context.Background(), decideNext(t, c, eng))
			require.NoError(t, err)
		}
		got := content(t, c)
		if want == "" {
			want = got
		}
		require.Equal(t, want, got, "%d threads", threads)
	}
}

// However far the step came before the crash, the next start ends with the same bytes.
func TestCrashBetweenAnyTwoWritesChangesNothing(t *testing.T) {
	eng := tiny.Engine(t, "base")
	whole := openCore(t, Home(t.TempDir()), 1)
	_, err := whole.Step(context.Background(), decideNext(t, whole, eng))
	require.NoError(t, err)
	want := content(t, whole)

	head, err := whole.journal.Head()
	require.NoError(t, err)
	headFolder := func(t *testing.T, c *Core) string { return c.home.Checkpoint(head.Digest) }
	copyHead := func(t *testing.T, c *Core) {
		require.NoError(t, os.CopyFS(headFolder(t, c), os.DirFS(headFolder(t, whole))))
	}
	crashes := map[string]func(t *testing.T, c *Core, p Plan){
		"nothing written": func(*testing.T, *Core, Plan) {},
		"checkpoint there, half a state": func(t *testing.T, c *Core, p Plan) {
			copyHead(t, c)
			require.NoError(t, os.WriteFile(filepath.Join(headFolder(t, c), lineage.StateFile), []byte("torn"), 0o600))
		},
		"checkpoint there, state not": func(t *testing.T, c *Core, _ Plan) {
			copyHead(t, c)
			require.NoError(t, os.Remove(filepath.Join(headFolder(t, c), lineage.StateFile)))
		},
		"everything there but the record": func(t *testing.T, c *Core, p Plan) { copyHead(t, c) },
	}
	for name, crash := range crashes {
		t.Run(name, func(t *testing.T) {
			home := Home(t.TempDir())
			before := openCore(t, home, 1)
			plan := decideNext(t, before, eng)
			require.NoError(t, before.Close())
			crash(t, before, plan)

			after := openCore(t, home, 2)
			again, found, err := after.journal.Plan()
			require.NoError(t, err)
			require.True(t, found, "the plan must survive")
			require.Equal(t, plan, again)
			_, err = after.Step(context.Background(), again)
			require.NoError(t, err)
			require.Equal(t, want, content(t, after))
			_, found, err = after.journal.Plan()
			require.NoError(t, err)
			require.False(t, found, "a plan is over once its version is made")
		})
	}
}

// A learner is killed with SIGKILL 20 times while it gathers windows and makes steps. What it has in the end is what a
// learner that was never disturbed has.
func TestTwentyKillsAtRandomMomentsChangeNoBit(t *testing.T) {
	for _, windows := range []int{1, 3} {
		t.Run(fmt.Sprintf("steps of %d windows", windows), func(t *testing.T) { twentyKills(t, windows) })
	}
}

// several is a window of a run whose steps always take so many, and whose KL weight adapts.
func several(window uint64, windows int) lineage.Window {
	w := settled(window)
	w.Version, w.MaxStaleness = 0, math.MaxUint64
	w.Recipe.StepWindows, w.Recipe.MinTeaching = windows, math.MaxInt
	w.Recipe.KL, w.Recipe.KLWeight, w.Recipe.KLTarget, w.Recipe.KLHorizon = grpo.K3, 0.1, 1e-3, 48
	return w
}

// advance does one piece of work as a daemon does: the planned step, else the next step's plan if that is due, else it
// gathers the next window.
func advance(t testing.TB, c *Core, eng *engine.Engine, windows int) {
	t.Helper()
	plan, found, err := c.journal.Plan()
	require.NoError(t, err)
	if found {
		_, err = c.Step(context.Background(), plan)
		require.NoError(t, err)
		require.NoError(t, c.Prune(1<<20))
		return
	}
	buffer, err := c.journal.Buffer()
	require.NoError(t, err)
	head, err := c.journal.Head()
	require.NoError(t, err)
	next := choose(buffer, head.Version, math.MaxUint64, func(uint64) bool { return false })
	if next.due {
		require.NoError(t, c.Decide(head.Version+1, next.use))
		return
	}
	last, _, err := c.journal.LastWindow()
	require.NoError(t, err)
	if len(buffer) > 0 {
		last = buffer[len(buffer)-1].Window
	}
	require.NoError(t, c.Gather(several(last+1, windows), rewarded(t, eng, last+1)))
}

// startHelper runs a test of this program in a process of its own, and returns once that has opened its home folder and works. What
// else it says comes when it ends.
func startHelper(t *testing.T, test string, env ...string) (cmd *exec.Cmd, rest <-chan string) {
	t.Helper()
	cmd = exec.Command(os.Args[0], "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), env...)
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewReader(output)
	_, err = lines.ReadString('\n')
	require.NoError(t, err)
	said := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(lines) // ends when the child does
		said <- string(text)
	}()
	return cmd, said
}

func twentyKills(t *testing.T, windows int) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	home := t.TempDir()
	// child makes steps until it has made so many, or is killed after a while.
	child := func(steps uint64, life time.Duration) {
		cmd, rest := startHelper(t, "TestHelperMakeSteps", "LEARNER_TEST_HOME="+home, fmt.Sprintf("LEARNER_TEST_WINDOWS=%d", windows), fmt.Sprintf("LEARNER_TEST_STEPS=%d", steps))
		select {
		case text := <-rest:
			require.NoError(t, cmd.Wait(), text)
		case <-time.After(life):
			require.NoError(t, cmd.Process.Kill())
			<-rest
			_ = cmd.Wait() // says that it was killed
		}
	}
	for range 20 {
		child(1<<40, time.Duration(random.Int64N(int64(windows)*int64(60*time.Millisecond))))
	}
	c := openCore(t, Home(home), 1)
	head, err := c.journal.Head()
	require.NoError(t, err)
	require.NoError(t, c.Close())
	steps := head.Version + 2
	child(steps, time.Minute)
	t.Logf("%d versions made under 20 kills", head.Version)

	undisturbed := openCore(t, Home(t.TempDir()), 1)
	eng := tiny.Engine(t, "base")
	for version := uint64(0); version < steps; {
		advance(t, undisturbed, eng, windows)
		head, err := undisturbed.journal.Head()
		require.NoError(t, err)
		version = head.Version
		require.LessOrEqual(t, len(head.TrainedWindows), windows)
	}
	require.Equal(t, content(t, undisturbed), content(t, openCore(t, Home(home), 1)))
}

// TestHelperMakeSteps is the process that TestTwentyKillsAtRandomMomentsChangeNoBit kills.
func TestHelperMakeSteps(t *testing.T) {
	home, steps := os.Getenv("LEARNER_TEST_HOME"), uint64(0)
	if home == "" {
		t.Skip("only as a child of another test")
	}
	_, err := fmt.Sscan(os.Getenv("LEARNER_TEST_STEPS"), &steps)
	require.NoError(t, err)
	windows := 0
	_, err = fmt.Sscan(os.Getenv("LEARNER_TEST_WINDOWS"), &windows)
	require.NoError(t, err)
	c := openCore(t, Home(home), 1)
	eng := tiny.Engine(t, "base")
	fmt.Println("ready")
	for {
		head, err := c.journal.Head()
		require.NoError(t, err)
		if head.Version == steps {
			return
		}
		advance(t, c, eng, windows)
	}
}

// A step for which there is no room fails at whatever it writes, says what, and is made whole once there is room again. The
// limit on the size of files stands for a full disk: writing fails half-way, too, wherever that is.
func TestAStepWithoutRoomIsMadeOnceThereIsRoom(t *testing.T) {
	home := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelperStepWithoutRoom$", "-test.v")
	cmd.Env = append(os.Environ(), "LEARNER_TEST_FULL="+home)
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
	for _, part := range []string{"rollouts of window 1", "checkpoint of version 1", "state.safetensors of version 1"} {
		require.Contains(t, string(output), part+": ", "it names what it could not write")
	}
	undisturbed := openCore(t, Home(t.TempDir()), 1)
	_, err = undisturbed.Step(t.Context(), decideNext(t, undisturbed, tiny.Engine(t, "base")))
	require.NoError(t, err)
	require.Equal(t, content(t, undisturbed), content(t, openCore(t, Home(home), 1)))
}

// TestHelperStepWithoutRoom is the process of TestAStepWithoutRoomIsMadeOnceThereIsRoom, for a limit holds for all of one.
func TestHelperStepWithoutRoom(t *testing.T) {
	home := os.Getenv("LEARNER_TEST_FULL")
	if home == "" {
		t.Skip("only as a child of another test")
	}
	signal.Ignore(syscall.SIGXFSZ) // writing fails instead
	limit := func(bytes uint64) {
		var now syscall.Rlimit
		require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &now))
		now.Cur = min(bytes, now.Max)
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &now))
	}
	c := openCore(t, Home(home), 1)
	set, failures := rewarded(t, tiny.Engine(t, "base"), 1), 0
	// In steps, so that every file of the step is once the one that is too large.
	for room := uint64(256); ; room += room / 2 {
		limit(room)
		err := decide(c, settled(1), set)
		if err == nil {
			var plan Plan
			plan, _, err = c.journal.Plan()
			require.NoError(t, err)
			_, err = c.Step(t.Context(), plan)
		}
		limit(math.MaxUint64)
		if err == nil {
			break
		}
		failures++
		require.ErrorIs(t, err, syscall.EFBIG)
		t.Log(err)
		head, err := c.journal.Head()
		require.NoError(t, err)
		require.Zero(t, head.Version, "the last good version stays")
	}
	require.Greater(t, failures, 5)
}

func TestStepRefusesADamagedHome(t *testing.T) {
	eng := tiny.Engine(t, "base")
	ready := func(t *testing.T) (*Core, Plan) {
		c := openCore(t, Home(t.TempDir()), 1)
		_, err := c.Step(context.Background(), decideNext(t, c, eng))
		require.NoError(t, err)
		return c, decideNext(t, c, eng)
	}
	flip := func(t *testing.T, path string) {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		data[len(data)/2] ^= 1
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
	t.Run("state flipped", func(t *testing.T) {
		c, plan := ready(t)
		flip(t, stateFile(t, c, 1))
		_, err := c.Step(context.Background(), plan)
		require.ErrorIs(t, err, ErrState)
		require.ErrorContains(t, err, lineage.StateFile)
	})
	t.Run("state gone", func(t *testing.T) {
		c, plan := ready(t)
		require.NoError(t, os.Remove(stateFile(t, c, 1)))
		_, err := c.Step(context.Background(), plan)
		require.ErrorIs(t, err, ErrState)
	})
	t.Run("recomputed log-probabilities flipped", func(t *testing.T) {
		c := openCore(t, Home(t.TempDir()), 1)
		set := rewarded(t, eng, 1)
		for _, leaf := range set.Leaves {
			r, err := batch.Decode(leaf)
			require.NoError(t, err)
			set.LogProbs = append(set.LogProbs, make([]float32, len(r.Completion)))
		}
		require.NoError(t, decide(c, settled(1), set))
		plan, _, err := c.journal.Plan()
		require.NoError(t, err)
		flip(t, c.home.LogProbs(1))
		_, err = c.Step(context.Background(), plan)
		require.ErrorIs(t, err, ErrSpool)
		require.ErrorContains(t, err, "logprobs")
		flip(t, c.home.LogProbs(1))
		_, err = c.Step(context.Background(), plan)
		require.NoError(t, err)
		require.NoError(t, c.Prune(4))
		require.NoFileExists(t, c.home.LogProbs(1))
		require.NoFileExists(t, c.home.Spool(1))
	})
	t.Run("rollouts flipped", func(t *testing.T) {
		c, plan := ready(t)
		flip(t, c.home.Spool(2))
		_, err := c.Step(context.Background(), plan)
		require.ErrorIs(t, err, ErrSpool)
	})
	t.Run("plan for another version", func(t *testing.T) {
		c, plan := ready(t)
		plan.Version = 7
		_, err := c.Step(context.Background(), plan)
		require.ErrorIs(t, err, daemon.ErrJournal)
	})
	t.Run("made for another base", func(t *testing.T) {
		c, _ := ready(t)
		require.NoError(t, c.Close())
		dir := filepath.Join(t.TempDir(), "other")
		_, err := checkpoint.WriteDir(dir, tiny.Model(t, "another"), tokenizer.ArithmeticFile(), checkpoint.Options{})
		require.NoError(t, err)
		other, err := checkpoint.Load(dir, nil)
		require.NoError(t, err)
		_, err = OpenCore(c.home, testChain, 1, other)
		require.ErrorIs(t, err, ErrBase)
	})
	t.Run("in use by another process", func(t *testing.T) {
		c, _ := ready(t)
		_, err := OpenCore(c.home, testChain, 1, tinyBase(t))
		require.ErrorIs(t, err, daemon.ErrJournal)
	})
}

func TestWindowWithoutSignalMakesNoStep(t *testing.T) {
	c := openCore(t, Home(t.TempDir()), 1)
	eng := tiny.Engine(t, "base")
	ch := tiny.Challenge(t, 1)
	rollouts, err := generate.Groups(context.Background(), eng, tiny.Tokenizer(t), ch, []uint64{0, 1, 2})
	require.NoError(t, err)
	b, err := batch.New(rollouts)
	require.NoError(t, err)
	require.NoError(t, decide(c, settled(5), lineage.Collected{Leaves: b.Leaves, Groups: 3}))
	plan, _, err := c.journal.Plan()
	require.NoError(t, err)
	_, err = c.Step(context.Background(), plan)
	require.ErrorIs(t, err, lineage.ErrNoStep)
	require.NoError(t, c.journal.Pass(5))
	_, found, err := c.journal.Plan()
	require.NoError(t, err)
	require.False(t, found, "a passed window's plan is void")
	last, found, err := c.journal.LastWindow()
	require.NoError(t, err)
	require.True(t, found)
	require.EqualValues(t, 5, last)
}

func TestPruneKeepsWhatIsNeeded(t *testing.T) {
	c := openCore(t, Home(t.TempDir()), 1)
	eng := tiny.Engine(t, "base")
	for range 5 {
		_, err := c.Step(context.Background(), decideNext(t, c, eng))
		require.NoError(t, err)
		require.NoError(t, c.Prune(2))
	}
	records, err := c.journal.Versions()
	require.NoError(t, err)
	require.Len(t, records, 6)
	for _, r := range records {
		_, err := c.Model(r)
		if r.Version == 0 || r.Version >= 4 {
			require.NoError(t, err, "version %d", r.Version)
		} else {
			require.ErrorIs(t, err, os.ErrNotExist, "version %d", r.Version)
		}
	}
	_, err = c.Step(context.Background(), decideNext(t, c, eng))
	require.NoError(t, err)
}
