package story_test

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"

	testapp "github.com/galahad-network/galahad/testutil/app"
	"github.com/galahad-network/galahad/testutil/story"
)

// tell is a short story with a bit of everything; it returns the app hash at its end.
func tell(t testing.TB, opts ...testapp.Option) []byte {
	t.Helper()
	s := story.New(t, 3, opts...)
	s.UntilClosed(0)
	s.MustDeliver(s.Learner, s.Checkpoint(1, 0))
	s.UntilClosed(2)
	s.MustDeliver(s.Miners[0], &settlementtypes.MsgClaim{Miner: s.Miners[0].String(), Run: story.Run})
	s.NextBlocks(3)
	return s.App.LastCommitID().Hash
}

// childEnv tells this binary to tell the story and print how it ends.
const childEnv = "GALAHAD_TELL_STORY"

// What differs from process to process, such as the seeds of maps and of maphash, the
// time zone, the number of processors or the garbage collector's moods, must not move
// the state. The test runs itself in other processes and compares the app hash at the
// story's end.
func TestAudit_A03_AnotherProcessComesToTheSameState(t *testing.T) {
	if os.Getenv(childEnv) != "" {
		fmt.Printf("\nstory ends with %X\n", tell(t, testapp.WithoutReplica(), testapp.WithoutTeardown()))
		return
	}
	self, err := os.Executable()
	require.NoError(t, err)
	here := hex.EncodeToString(tell(t))
	for _, env := range [][]string{
		{"TZ=Pacific/Chatham", "GOMAXPROCS=1", "LANG=tr_TR.UTF-8", "GODEBUG=randseednop=0,madvdontneed=1"},
		{"TZ=America/St_Johns", "GOMAXPROCS=7", "GOGC=10", "HOME=/nonexistent", "GALAHADD_MINIMUM_GAS_PRICES=7agal"},
	} {
		cmd := exec.Command(self, "-test.run", "^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), append(env, childEnv+"=1")...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s\n%s", env, out)
		there := ""
		for lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan(); {
			if hash, ok := strings.CutPrefix(lines.Text(), "story ends with "); ok {
				there = strings.ToLower(hash)
			}
		}
		require.Equal(t, here, there, "%s", env)
	}
}

// The same story, with other settings of the harness, ends the same.
func TestStoriesAreTheSameStory(t *testing.T) {
	require.Equal(t, tell(t, testapp.WithoutReplica()), tell(t, testapp.WithoutReplica(), testapp.WithoutTeardown()))
}

// A node that joins by state sync, in the middle of a window, has the state of those that
// were there from the start, and goes on as they do.
func TestAudit_H60_ANodeFromASnapshotHasTheSameState(t *testing.T) {
	s := story.New(t, 3)
	for range 3 {
		for range 11 {
			s.Step()
		}
		s.CheckSnapshot()
	}
}
