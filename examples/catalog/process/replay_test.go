package process

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Videos that are on their way when a new build is deployed must replay. The histories are
// those of the end-to-end tests: go test ./e2e -run Catalog -args -record.
func TestCatalogVideo_Replay(t *testing.T) {
	histories, err := filepath.Glob("testdata/histories/*.json")
	require.NoError(t, err)
	require.Len(t, histories, 5)
	for _, history := range histories {
		replayer := worker.NewWorkflowReplayer()
		replayer.RegisterWorkflowWithOptions(CatalogVideo, workflow.RegisterOptions{Name: WorkflowType})
		require.NoError(t, replayer.ReplayWorkflowHistoryFromJSONFile(nil, history), history)
	}
}
