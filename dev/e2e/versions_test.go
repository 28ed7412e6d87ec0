package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

// A stack with two versions of the worker, in the middle of a ramp, is followed by one
// without versions on the same state.
func TestStack_TwoVersions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	versions, err := startStack(dir, nil, "--rate", "0", "--two-versions")
	require.NoError(t, err)
	s := newStackClientFor(t, versions)
	id := s.place(orderSpec{})
	s.awaitMail(id, order.StatusFulfilling, "sent")
	require.Contains(t, s.builds(id), "v0.2.0")
	for _, arguments := range [][]string{
		{"set-current-version", "--build-id", "v0.3.0"}, {"set-ramping-version", "--build-id", "v0.2.0", "--percentage", "100"},
	} {
		arguments = append([]string{"worker", "deployment", arguments[0], "--deployment-name", "orderflow", "--yes"}, arguments[1:]...)
		out, err := versions.command(t.Context(), "temporal", arguments...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	require.NoError(t, versions.stop())

	plain, err := startStack(dir, nil, "--rate", "0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, plain.stop()) })
	s = newStackClientFor(t, plain)
	_, err = s.update(id, "record-shipment", shipped)
	require.NoError(t, err)
	s.awaitMail(s.place(orderSpec{}), order.StatusFulfilling, "sent")
	s.awaitStatus(id, order.StatusShipped)
}

// builds returns the builds that completed an order's workflow tasks.
func (s *stackClient) builds(id string) (builds []string) {
	s.t.Helper()
	for _, event := range s.history(id).GetEvents() {
		if done := event.GetWorkflowTaskCompletedEventAttributes(); done != nil {
			builds = append(builds, done.GetDeploymentVersion().GetBuildId())
		}
	}
	return builds
}
