package crash

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/chaos/internal/rig"
	"orderflow/internal/failpoint"
)

func TestProper(t *testing.T) {
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
		"without a word":       {death: killed, said: "level=INFO\n", fault: "logged the point 0 times"},
		"at another point":     {death: killed, said: "failpoint worker.reserve.before: crash\n", fault: "logged the point 0 times"},
		"with an earlier word": {death: killed, before: line, fault: "logged the point 0 times"},
		"with two words":       {death: killed, said: line + line, fault: "logged the point 2 times"},
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

func TestProperCommand(t *testing.T) {
	t.Parallel()
	at := Crash{Point: failpoint.Point{Name: "projector.rebuild.before"}, Hit: 1}
	for name, test := range map[string]struct{ script, said, fault string }{
		"at the point":    {"kill -9 $$", "failpoint projector.rebuild.before: crash", ""},
		"by an exit":      {"exit 1", "failpoint projector.rebuild.before: crash", "it did not die at the point: orderflow view rebuild: exit status 1"},
		"without a word":  {"kill -9 $$", "", "it did not die at the point: orderflow view rebuild: signal: killed"},
		"at another":      {"kill -9 $$", "failpoint projector.rebuild.after: crash", "it did not die at the point"},
		"it went through": {"exit 0", "", "it did not die at the point: it went through"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := exec.CommandContext(t.Context(), "sh", "-c", test.script).Run()
			if err != nil {
				err = fmt.Errorf("orderflow view rebuild: %w: %s", err, test.said)
			}
			err = properCommand(err, at)
			if test.fault == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.fault)
		})
	}
}
