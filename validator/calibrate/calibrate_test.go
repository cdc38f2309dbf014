package calibrate

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/testutil/shipped"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// A calibration of the shipped model proposes bounds that the chain takes, that no honest
// engine fails and that the plain cheats do, and writes a report that can be read.
func TestACalibrationSeparatesHonestEnginesFromCheats(t *testing.T) {
	c := shipped.Challenge(t)
	r, err := Run(t.Context(), shipped.Base(t), Options{Mix: c.Mix, Generation: c.Generation, Windows: 1, Groups: 4, GroupSize: 8})
	require.NoError(t, err)
	run := challengetypes.DefaultRunParams([]challengetypes.EnvironmentWeight{{Id: c.Mix[0].Env, Digest: c.Mix[0].Digest[:], Weight: 1}}, make([]byte, 32), make([]byte, 32))
	run.EngineMode, run.Tolerance = challengetypes.EngineMode_ENGINE_MODE_TOLERANT, &r.Tolerance
	require.NoError(t, run.Validate(challengetypes.DefaultParams()))
	for _, m := range r.Makers {
		require.Len(t, m.Figures, 32, m.Name)
		switch {
		case m.Honest:
			require.Equal(t, 4, m.Groups.Groups, m.Name)
			require.Zero(t, m.Groups.Caught, "%s: %v", m.Name, m.Groups.Codes)
		case m.Name == "greedy", m.Name == "int4", m.Name == "small", m.Name == "early-stop":
			require.Equal(t, m.Groups.Groups, m.Groups.Caught, m.Name)
		}
	}

	dir := t.TempDir()
	require.NoError(t, r.Write(dir))
	text, err := os.ReadFile(filepath.Join(dir, "tolerance.json"))
	require.NoError(t, err)
	var again challengetypes.Tolerance
	require.NoError(t, json.Unmarshal(text, &again))
	require.Equal(t, r.Tolerance, again)
	require.Equal(t, verify.Sketch, again.Verify().Proof)
	report, err := os.ReadFile(filepath.Join(dir, "report.md"))
	require.NoError(t, err)
	for _, m := range r.Makers {
		require.Contains(t, string(report), "| "+m.Name+" |")
	}
	pictures, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	require.NoError(t, err)
	require.Len(t, pictures, 2*len(figures))
	for _, p := range pictures {
		data, err := os.ReadFile(p)
		require.NoError(t, err)
		require.NotContains(t, string(data), "NaN")
		for d := xml.NewDecoder(strings.NewReader(string(data))); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else {
				require.NoError(t, err, p)
			}
		}
	}
}
