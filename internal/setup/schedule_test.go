package setup_test

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc/codes"

	"orderflow/internal/payloadcodec"
	"orderflow/internal/setup"
	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

func (n *namespace) schedule() client.ScheduleHandle {
	return n.ScheduleClient().GetHandle(n.t.Context(), workflows.ReconcileSchedule)
}

// unschedule deletes the schedule, and waits until it is gone.
func (n *namespace) unschedule() {
	n.t.Helper()
	require.NoError(n.t, n.schedule().Delete(n.t.Context()))
	require.Eventually(n.t, func() bool {
		_, err := n.schedule().Describe(n.t.Context())
		return temporalclient.IsNotFound(err)
	}, patience, 50*time.Millisecond)
}

// reschedule gives the schedule other settings, as another setup would.
func (n *namespace) reschedule() {
	n.t.Helper()
	o := n.options()
	o.Reconcile = setup.Reconcile{Every: 2 * time.Hour, Window: 24 * time.Hour, Fix: true}
	_, lines := set(n.t, setup.Options{Temporal: o})
	require.Contains(n.t, lines, "temporal, schedule reconcile: changed: from all orders every 1h0m0s to the orders of 24h0m0s, with repairs every 2h0m0s\n")
}

// keyLine returns a line of a key file.
func keyLine(id string) string {
	return id + " " + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte(id), 32)) + "\n"
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	o := n.options()
	without := n.options()
	without.Reconcile = setup.Reconcile{}

	_, lines := set(t, setup.Options{Temporal: without})
	require.Contains(t, lines, "temporal, schedule reconcile: skipped: RECONCILE_EVERY is not set\n")
	_, lines = set(t, setup.Options{Temporal: o})
	require.Contains(t, lines, "temporal, schedule reconcile: created: all orders every 1h0m0s\n")
	_, lines = set(t, setup.Options{Temporal: without})
	require.Contains(t, lines, "temporal, schedule reconcile: skipped: RECONCILE_EVERY is not set; it is all orders every 1h0m0s\n")

	described, err := n.schedule().Describe(t.Context())
	require.NoError(t, err)
	require.Equal(t, enums.SCHEDULE_OVERLAP_POLICY_SKIP, described.Schedule.Policy.Overlap)
	require.Equal(t, 5*time.Minute, described.Schedule.Policy.CatchupWindow)
	require.False(t, described.Schedule.Policy.PauseOnFailure)
	require.Equal(t, 25*time.Hour, described.Schedule.Action.(*client.ScheduleWorkflowAction).WorkflowRunTimeout,
		"a run whose task fails must not keep the others from starting")

	t.Run("stays paused", func(t *testing.T) {
		require.NoError(t, n.schedule().Pause(t.Context(), client.SchedulePauseOptions{Note: "maintenance"}))
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			_, lines := set(t, setup.Options{Temporal: o})
			require.Contains(c, lines, "temporal, schedule reconcile: already there: all orders every 1h0m0s; it is paused\n")
		}, patience, 50*time.Millisecond)
		n.t = t
		n.reschedule()
		described, err := n.schedule().Describe(t.Context())
		require.NoError(t, err)
		require.True(t, described.Schedule.State.Paused)
		require.Equal(t, "maintenance", described.Schedule.State.Note)
	})
	t.Run("gets its policy back", func(t *testing.T) {
		require.NoError(t, n.schedule().Update(t.Context(), client.ScheduleUpdateOptions{
			DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
				in.Description.Schedule.Policy.Overlap = enums.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL
				return &client.ScheduleUpdate{Schedule: &in.Description.Schedule}, nil
			},
		}))
		_, lines := set(t, setup.Options{Temporal: o})
		require.Contains(t, lines, "temporal, schedule reconcile: changed: from ")
		_, lines = set(t, setup.Options{Temporal: o})
		require.Contains(t, lines, "temporal, schedule reconcile: already there: ")
	})
	t.Run("is encrypted with the key that encrypts now", func(t *testing.T) {
		encrypted := newNamespace(t)
		file := filepath.Join(t.TempDir(), "keys")
		with := func(lines ...string) setup.Options {
			require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "")), 0o600))
			keys, err := payloadcodec.OpenKeys(file, slog.New(slog.DiscardHandler))
			require.NoError(t, err)
			o := encrypted.options()
			o.Converter = payloadcodec.Converter(payloadcodec.New(keys))
			o.Client, err = client.NewClientFromExistingWithContext(t.Context(), encrypted.Client, client.Options{
				Namespace: encrypted.name, DataConverter: o.Converter,
			})
			require.NoError(t, err)
			return setup.Options{Temporal: o}
		}
		a, b := keyLine("a"), keyLine("b")
		for _, step := range []struct {
			lines []string
			want  string
		}{
			{[]string{a}, "created: all orders every 1h0m0s\n"},
			{[]string{a, b}, "already there: all orders every 1h0m0s\n"}, // the first encrypts
			{[]string{b, a}, "changed: all orders every 1h0m0s: its policy, its workflow or the key of its input\n"},
			{[]string{b}, "already there: all orders every 1h0m0s\n"},
		} {
			_, lines := set(t, with(step.lines...))
			require.Contains(t, lines, "temporal, schedule reconcile: "+step.want)
		}
	})
	t.Run("is printed as a command if the server refuses", func(t *testing.T) {
		other := newNamespace(t)
		refused := other.options()
		refused.Client = other.dial(map[string]codes.Code{"CreateSchedule": codes.PermissionDenied})
		report, lines := set(t, setup.Options{Temporal: refused})
		require.Contains(t, lines, "temporal, schedule reconcile: refused: ")
		require.Contains(t, todo(report), "temporal schedule create --namespace "+other.name+" --schedule-id reconcile --interval 1h0m0s "+
			"--overlap-policy Skip --catchup-window 5m0s --run-timeout 25h0m0s --workflow-id reconcile --type Reconciliation --task-queue order-reconcile "+
			`--input '{"windowSeconds":0,"fix":false}' # or update, with the same flags`)
	})
}
