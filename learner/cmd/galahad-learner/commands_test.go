package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/learner"
	"github.com/galahad-network/galahad/learner/simulate"
	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/checkpoint"
)

// execute runs the program in this process.
func execute(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root, err := rootCommand()
	require.NoError(t, err)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&bytes.Buffer{})
	root.SetArgs(args)
	err = root.ExecuteContext(context.Background())
	return out.String(), err
}

func TestEvalOfTheShippedModelIsReproducible(t *testing.T) {
	var first string
	for _, threads := range []string{"1", "2"} {
		out, err := execute(t, "eval", "--base", "--n", "32", "--output", "json", "--threads", threads)
		require.NoError(t, err)
		if first == "" {
			first = out
		}
		require.Equal(t, first, out)
	}
	var report evalReport
	require.NoError(t, json.Unmarshal([]byte(first), &report))
	require.Equal(t, models.BaseDigest, report.Checkpoint)
	require.Equal(t, 32, report.Sampled.N)
	require.Equal(t, "wilson", report.Sampled.Interval)
	require.LessOrEqual(t, report.Sampled.Low, report.Sampled.Accuracy)
	require.GreaterOrEqual(t, report.Sampled.High, report.Sampled.Accuracy)

	text, err := execute(t, "eval", "--base", "--n", "8", "--samples", "4")
	require.NoError(t, err)
	require.Contains(t, text, "clustered by problem")
	require.Contains(t, text, "pass@4")
	require.Contains(t, text, "of 8 problems")
}

// What the table says of an environment is what a question for it alone says.
func TestEvalOfSeveralEnvironmentsIsOneTable(t *testing.T) {
	args := []string{"eval", "--base", "--n", "16", "--samples", "4"}
	out, err := execute(t, append(args, "--env", "arithmetic-3,arithmetic-1", "--env", "guess-1", "--output", "json")...)
	require.NoError(t, err)
	var reports []evalReport
	for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
		var r evalReport
		require.NoError(t, d.Decode(&r))
		reports = append(reports, r)
	}
	require.Len(t, reports, 3)
	for i, want := range []string{"arithmetic-3", "arithmetic-1", "guess-1"} {
		r := reports[i]
		require.Equal(t, want, r.Env)
		require.Equal(t, 16, r.Sampled.AllRight+r.Sampled.Mixed+r.Sampled.AllWrong)
		require.Equal(t, 16, r.Greedy.AllRight+r.Greedy.AllWrong, "one sample differs from no other")
		one, err := execute(t, append(args, "--env", want, "--output", "json")...)
		require.NoError(t, err)
		var alone evalReport
		require.NoError(t, json.Unmarshal([]byte(one), &alone))
		require.Equal(t, alone, r)
	}
	require.InDelta(t, reports[0].Sampled.PassAt[2].Value, float64(reports[0].Sampled.AllRight+reports[0].Sampled.Mixed)/16, 1e-12,
		"where rewards are 0 or 1, a problem is solved by some sample or by none")

	text, err := execute(t, append(args, "--env", "arithmetic-3,arithmetic-1,arithmetic-3")...)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	require.Len(t, lines, 4, "each once")
	require.Contains(t, lines[1], "all right")
	mixed, err := execute(t, append(args, "--mix", "arithmetic-3@0-2,arithmetic-1:2,arithmetic-3:4@2-")...)
	require.NoError(t, err)
	require.Equal(t, text, mixed)
	text, err = execute(t, "eval", "--base", "--n", "4", "--env", "arithmetic-3,arithmetic-1")
	require.NoError(t, err)
	require.NotContains(t, text, "mixed", "one sample is no group")
}

func TestPretrainWritesACheckpointThatEvalReads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	out, err := execute(t, "pretrain", dir, "--steps", "1", "--output", "json")
	require.NoError(t, err)
	manifest, err := checkpoint.Verify(dir, nil)
	require.NoError(t, err)
	var report struct{ Digest string }
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	made, err := checkpoint.Load(dir, nil)
	require.NoError(t, err)
	require.Equal(t, manifest.Digest(), made.Digest)
	require.NotEqual(t, models.BaseDigest, report.Digest)
	_, err = execute(t, "eval", dir, "--n", "2")
	require.NoError(t, err)
	_, err = execute(t, "pretrain", dir, "--steps", "1")
	require.ErrorIs(t, err, os.ErrExist, "nothing is overwritten")
}

func TestSimulatePrintsAPointAWindow(t *testing.T) {
	out, err := execute(t, "simulate", "--windows", "2", "--groups", "4", "--group-size", "4", "--eval-problems", "8", "--output", "json")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 3)
	var last simulate.Point
	require.NoError(t, json.Unmarshal([]byte(lines[2]), &last))
	require.Equal(t, 2, last.Window)
	require.Equal(t, 32, last.Rollouts)
	require.NotNil(t, last.Accuracy)

	curriculum, err := execute(t, "simulate", "--windows", "2", "--groups", "4", "--group-size", "4", "--eval-problems", "8", "--mix", "arithmetic-1@0-1,arithmetic-3@1-")
	require.NoError(t, err)
	require.Len(t, strings.Split(strings.TrimSpace(curriculum), "\n"), 4)
}

func TestSimulateOfASwarmPrintsAPointAWindow(t *testing.T) {
	args := []string{"simulate", "--swarm", "2", "--windows", "2", "--local", "3", "--external", "2", "--group-size", "4", "--eval-problems", "8"}
	out, err := execute(t, append(args, "--output", "json")...)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 3)
	var last simulate.SwarmPoint
	require.NoError(t, json.Unmarshal([]byte(lines[2]), &last))
	require.Equal(t, 2, last.Window)
	require.Equal(t, 48, last.Rollouts)
	require.Len(t, last.Nodes, 2)
	require.NotNil(t, last.Accuracy)
	text, err := execute(t, args...)
	require.NoError(t, err)
	require.Len(t, strings.Split(strings.TrimSpace(text), "\n"), 4)
}

func TestUnusableArgumentsAreRefused(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad")
	require.NoError(t, os.MkdirAll(bad, 0o755))
	folder, err := models.BaseFiles()
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(bad, folder))
	weights := filepath.Join(bad, "model.safetensors")
	data, err := os.ReadFile(weights)
	require.NoError(t, err)
	data[len(data)-1] ^= 1
	require.NoError(t, os.Chmod(weights, 0o644))
	require.NoError(t, os.WriteFile(weights, data, 0o600))

	tests := []struct {
		args []string
		want string
	}{
		{[]string{"eval"}, "--base"},
		{[]string{"eval", "--base", "some"}, "--base"},
		{[]string{"eval", "--base", "--output", "xml"}, "--output"},
		{[]string{"eval", "--base", "--env", "poetry"}, "poetry"},
		{[]string{"eval", "--base", "--n", "0"}, "0 problems"},
		{[]string{"eval", "--base", "--env", "arithmetic-3", "--mix", "arithmetic-3"}, "env mix"},
		{[]string{"eval", "--base", "--mix", "arithmetic-3@1-"}, "window 0"},
		{[]string{"simulate", "--mix", "arithmetic-2@0-10"}, "window 10"},
		{[]string{"eval", filepath.Join(bad, "nowhere")}, "nowhere"},
		{[]string{"eval", bad}, "model.safetensors"},
		{[]string{"pretrain", "--steps", "1"}, "the shipped one " + models.BaseDigest},
		{[]string{"simulate", "--group-size", "1"}, "groups of 1"},
		{[]string{"simulate", "--lr", "-1"}, "learning rate"},
		{[]string{"simulate", "--swarm", "2", "--local", "0"}, "0 groups of their own"},
		{[]string{"simulate", "--swarm", "2", "--groups", "4"}, "groups swarm"},
		{[]string{"start", "--home", t.TempDir(), "--run", "0"}, "run must be"},
		{[]string{"start", "--home", t.TempDir(), "--chain.key", "nobody"}, "nobody"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			_, err := execute(t, tt.args...)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestInitWritesSettingsOnce(t *testing.T) {
	home := t.TempDir()
	_, err := execute(t, "init", "--home", home)
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(home, "config.toml"))
	require.NoError(t, err)
	require.Contains(t, string(text), "max_staleness = 4")
	_, err = execute(t, "init", "--home", home)
	require.Error(t, err)
	_, err = execute(t, "init", "--home", home, "--force")
	require.NoError(t, err)
}

func TestCurvesAreWrittenForPeopleAndPrograms(t *testing.T) {
	window, accuracy, low, high := uint64(3), 0.5, 0.4, 0.6
	s := learner.Status{Versions: []learner.VersionStatus{
		{Version: 0, Accuracy: &accuracy, Low: &low, High: &high},
		{Version: 1, Window: &window, RewardMean: 0.25, Groups: 4, KeptGroups: 3, Entropy: 0.125, KL: 0.5, ClipFrac: 0.01, GradNorm: 2},
	}}
	dir := t.TempDir()
	require.NoError(t, writeCurves(dir, s))
	text, err := os.ReadFile(filepath.Join(dir, "curve.csv"))
	require.NoError(t, err)
	require.Equal(t, "version,window,fell,accuracy,reward,kept,entropy,kl,clip_fraction,grad_norm\n"+
		"0,,false,0.5,,,,,,\n1,3,false,,0.25,0.75,0.125,0.5,0.01,2\n", string(text))
	for _, c := range columns {
		require.FileExists(t, filepath.Join(dir, c.name+".svg"))
	}
}
