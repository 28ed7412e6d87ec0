package deploy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/deploy"
)

func TestRoleSteps(t *testing.T) {
	t.Parallel()
	var titles []string
	for _, step := range deploy.RoleSteps() {
		titles = append(titles, step.Kind+" "+step.Role)
		require.Contains(t, step.SQL, step.Role, "a step is about its role")
		require.Equal(t, 1, strings.Count(step.SQL, "\n")+1, "a step is one line, which can be printed")
		require.NotContains(t, step.SQL, "--")
	}
	require.Equal(t, []string{
		"role orderflow_worker", "role orderflow_reconcile", "role orderflow_projector", "role orderflow_api", "role orderflow_publisher",
		"grants orderflow_worker", "grants orderflow_reconcile", "grants orderflow_projector", "grants orderflow_api",
		"grants orderflow_publisher", "replication orderflow_publisher",
	}, titles)
}
