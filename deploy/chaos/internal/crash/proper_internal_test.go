package crash

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/deploy/chaos/internal/rig"
	"orderflow/internal/failpoint"
)

func TestADeathCountsOnlyWhenItIsTheOneThatWasAskedFor(t *testing.T) {
	t.Parallel()
	killed := rig.Death{Cause: "signal: killed"}
	at := Crash{Point: failpoint.Point{Name: "worker.reserve.after"}, Hit: 1}
	const line = "failpoint worker.reserve.after: crash\n"
	tests := map[string]struct {
		before, said string
		death        rig.Death
		fault        string
	}{
		"at the point":         {death: killed, said: "level=INFO\n" + line},
		"by an exit":           {death: rig.Death{Cause: "exit status 1"}, said: line, fault: "it died otherwise: exit status 1"},
		"by somebody else":     {death: rig.Death{Cause: "signal: killed", Asked: true}, said: line, fault: "it died otherwise"},
		"without a word":       {death: killed, said: "level=INFO\n", fault: "said 0 times"},
		"at another point":     {death: killed, said: "failpoint worker.reserve.before: crash\n", fault: "said 0 times"},
		"with an earlier word": {death: killed, before: line, fault: "said 0 times"},
		"with two words":       {death: killed, said: line + line, fault: "said 2 times"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "worker-1.log")
			require.NoError(t, os.WriteFile(path, []byte(test.before), 0o600))
			log, err := tailOf(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, []byte(test.before+test.said), 0o600))
			err = proper(test.death, at, log)
			if test.fault == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.fault)
		})
	}
}
