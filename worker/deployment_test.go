package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"orderflow/internal/config"
	"orderflow/internal/order"
	"orderflow/internal/version"
)

func TestDeployment_Options(t *testing.T) {
	t.Parallel()
	release, changed := version.Build{Version: "v0.1.0"}, version.Build{Version: "v0.1.0+dirty"}
	for name, test := range map[string]struct {
		settings  deployment
		build     version.Build
		want      worker.WorkerDeploymentVersion
		versioned bool
	}{
		"a name takes the build's version":         {deployment{Name: "shop/orders"}, release, worker.WorkerDeploymentVersion{DeploymentName: "shop/orders", BuildID: "v0.1.0"}, true},
		"a build id replaces the build's version":  {deployment{Name: "orders", BuildID: "blue"}, release, worker.WorkerDeploymentVersion{DeploymentName: "orders", BuildID: "blue"}, true},
		"a build id serves a changed checkout":     {deployment{Name: "orders", BuildID: "blue"}, changed, worker.WorkerDeploymentVersion{DeploymentName: "orders", BuildID: "blue"}, true},
		"without a name the worker is unversioned": {deployment{}, release, worker.WorkerDeploymentVersion{BuildID: "v0.1.0"}, false},
		"a build id alone only identifies":         {deployment{BuildID: "blue"}, release, worker.WorkerDeploymentVersion{BuildID: "blue"}, false},
		"a changed checkout keeps the SDK's id":    {deployment{}, changed, worker.WorkerDeploymentVersion{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, test.settings.faults(test.build))
			options := test.settings.options(test.build)
			require.Equal(t, test.want, options.Version)
			require.Equal(t, test.versioned, options.UseVersioning)
		})
	}
}

func TestDeployment_Faults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		settings deployment
		want     []config.Fault
	}{
		"a dot in the name":   {deployment{Name: "shop.orders", BuildID: "1"}, []config.Fault{{Name: deploymentVariable, Problem: "must not contain . or :"}}},
		"a colon in the name": {deployment{Name: "shop:orders", BuildID: "1"}, []config.Fault{{Name: deploymentVariable, Problem: "must not contain . or :"}}},
		"both too long":       {deployment{Name: "orders", BuildID: strings.Repeat("x", 195)}, []config.Fault{{Name: deploymentVariable, Problem: "must have at most 200 bytes together with TEMPORAL_WORKER_BUILD_ID, not 201"}}},
		"reserved words": {deployment{Name: "__a", BuildID: "__unversioned__"}, []config.Fault{
			{Name: deploymentVariable, Problem: "must not start with __"}, {Name: buildIDVariable, Problem: "must not start with __"},
		}},
		"a line break":     {deployment{BuildID: "a\nb"}, []config.Fault{{Name: buildIDVariable, Problem: "must be text without control characters"}}},
		"no text":          {deployment{BuildID: "\xff"}, []config.Fault{{Name: buildIDVariable, Problem: "must be text without control characters"}}},
		"no id of a build": {deployment{Name: "orders"}, []config.Fault{{Name: buildIDVariable, Problem: "is required with TEMPORAL_DEPLOYMENT_NAME: the version of this build, (devel), does not identify its code"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, test.settings.faults(version.Build{Version: version.Unknown}))
		})
	}
	require.Empty(t, deployment{Name: "orders", BuildID: strings.Repeat("x", 194)}.faults(version.Build{}))
}

// The server accepts the longest version and a build id with the characters that separate
// parts elsewhere.
func TestDeployment_Server(t *testing.T) {
	prefix := strings.ReplaceAll(uuid.NewString(), "-", "")
	for _, d := range []deployment{
		{Name: "shop/orders-" + prefix, BuildID: "v0.1.0+build.5:6"},
		{Name: "orders-" + prefix, BuildID: strings.Repeat("x", maxVersion-len("orders-"+prefix))},
	} {
		w := startWorker(t, deploymentVariable+"="+d.Name, buildIDVariable+"="+d.BuildID)
		w.Await("/readyz", http.StatusOK)
		handle := shared.temporal.WorkerDeploymentClient().GetHandle(d.Name)
		require.Eventually(t, func() bool {
			_, err := handle.DescribeVersion(t.Context(), client.WorkerDeploymentDescribeVersionOptions{BuildID: d.BuildID})
			return err == nil
		}, longEnough, 50*time.Millisecond, d.Name)
		require.NoError(t, w.Stop())
	}
}

func TestDeployment_BuildIDAlone(t *testing.T) {
	t.Parallel()
	p := place(t, "build-id-alone@example.com")
	p.await(order.StatusFulfilling, "sent")
	events := shared.temporal.GetWorkflowHistory(t.Context(), p.id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	ids := map[string]bool{}
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(t, err)
		if completed := event.GetWorkflowTaskCompletedEventAttributes(); completed != nil {
			require.Equal(t, enums.VERSIONING_BEHAVIOR_UNSPECIFIED, completed.GetVersioningBehavior())
			ids[completed.GetDeploymentVersion().GetBuildId()+"|"+completed.GetWorkerVersion().GetBuildId()] = true //nolint:staticcheck // what an unversioned worker is recorded by
		}
	}
	require.Equal(t, map[string]bool{"|" + sharedBuildID: true}, ids)
}
