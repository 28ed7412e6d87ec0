package stack

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"orderflow/internal/config"
)

// The Worker Deployment of a stack with two versions of the worker. Both run the same
// program. docs/upgrades.md uses these names.
const (
	deployment = "orderflow"
	oldVersion = "v0.2.0"
	newVersion = "v0.3.0"
)

// errForeignVersions keeps this stack from changing what another server's workers get.
var errForeignVersions = config.Invalid("--two-versions", "needs the Temporal server of this stack: unset TEMPORAL_ADDRESS")

// workers returns the worker, or its two versions.
func (s *Stack) workers() []product {
	if !s.options.TwoVersions {
		return []product{{name: workerPart, port: s.ports.worker}}
	}
	return []product{
		{name: workerPart, port: s.ports.worker, own: versioned(oldVersion)},
		{name: workerPart, process: nextWorkerPart, port: s.ports.nextWorker, own: versioned(newVersion)},
	}
}

func versioned(build string) map[string]string {
	return map[string]string{"TEMPORAL_DEPLOYMENT_NAME": deployment, "TEMPORAL_WORKER_BUILD_ID": build}
}

// routeWork makes the server give work to the workers that run. The server's file keeps
// the current version: after a run with two versions, a worker without a version would get
// nothing.
func (s *Stack) routeWork(ctx context.Context) error {
	if s.external.temporal {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	options, err := s.TemporalOptions()
	if err != nil {
		return err
	}
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return fmt.Errorf("route work: %w", err)
	}
	defer c.Close()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := route(ctx, c.WorkerDeploymentClient().GetHandle(deployment), s.options.TwoVersions)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C: // the server learns of a version when its workers have polled
		case <-ctx.Done():
			return fmt.Errorf("route work: %w: %w", context.Cause(ctx), err)
		}
	}
}

// route leaves the deployment as it is if it has a current version exactly when versions
// run. Otherwise it makes the old version current, or workers without a version.
func route(ctx context.Context, d client.WorkerDeploymentHandle, versions bool) error {
	found, err := d.Describe(ctx, client.WorkerDeploymentDescribeOptions{})
	if _, missing := errors.AsType[*serviceerror.NotFound](err); missing && !versions {
		return nil // there has never been a version
	}
	if err != nil {
		return err
	}
	routing := found.Info.RoutingConfig
	if !versions && routing.RampingVersion != nil {
		if _, err := d.SetRampingVersion(ctx, client.WorkerDeploymentSetRampingVersionOptions{
			BuildID: routing.RampingVersion.BuildID, Percentage: 0, IgnoreMissingTaskQueues: true, AllowNoPollers: true,
		}); err != nil {
			return err
		}
	}
	if (routing.CurrentVersion != nil) == versions {
		return nil
	}
	current := ""
	if versions {
		current = oldVersion
	}
	_, err = d.SetCurrentVersion(ctx, client.WorkerDeploymentSetCurrentVersionOptions{
		BuildID: current, IgnoreMissingTaskQueues: !versions,
	})
	return err
}
