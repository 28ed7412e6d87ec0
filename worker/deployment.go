package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/internal/config"
	"orderflow/internal/version"
)

const (
	deploymentVariable = "TEMPORAL_DEPLOYMENT_NAME"
	buildIDVariable    = "TEMPORAL_WORKER_BUILD_ID"
)

// deployment says which version of which Worker Deployment the worker is. Temporal's Worker
// Controller sets both variables. With the name alone, the version is that of the build.
// Without a name the worker is unversioned and takes work of every version. It then only
// reports its build id, which `temporal workflow reset --type BuildId` can use.
type deployment struct {
	Name    string `env:"TEMPORAL_DEPLOYMENT_NAME"`
	BuildID string `env:"TEMPORAL_WORKER_BUILD_ID"`
}

// Validate checks the values by the rules of the Temporal server, which would refuse the
// worker's polls.
func (d deployment) Validate() []config.Fault { return d.faults(version.Read()) }

func (d deployment) faults(build version.Build) []config.Fault {
	var faults []config.Fault
	if problem := nameProblem(d.Name); problem != "" {
		faults = append(faults, config.Fault{Name: deploymentVariable, Problem: problem})
	} else if strings.ContainsAny(d.Name, ".:") { // they separate it from the build id
		faults = append(faults, config.Fault{Name: deploymentVariable, Problem: "must not contain . or :"})
	}
	if problem := nameProblem(d.BuildID); problem != "" {
		faults = append(faults, config.Fault{Name: buildIDVariable, Problem: problem})
	}
	if length := len(d.Name) + len(d.buildID(build)); length > maxVersion {
		faults = append(faults, config.Fault{
			Name: deploymentVariable, Problem: fmt.Sprintf("must have at most %d bytes together with %s, not %d", maxVersion, buildIDVariable, length),
		})
	}
	if d.Name != "" && d.buildID(build) == "" {
		faults = append(faults, config.Fault{
			Name: buildIDVariable, Problem: fmt.Sprintf("is required with %s: the version of this build, %s, does not identify its code",
				deploymentVariable, build.Version),
		})
	}
	return faults
}

// maxVersion bounds a deployment's name and build id together, in bytes. Temporal joins
// them to a workflow id, which has at most 255 bytes if its store is PostgreSQL or MySQL, of
// which it uses 40 for a prefix.
const maxVersion = 200

// nameProblem returns why the server would refuse a name or build id, or an empty string.
func nameProblem(name string) string {
	switch {
	case strings.HasPrefix(name, "__"):
		return "must not start with __"
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "must be text without control characters"
	default:
		return ""
	}
}

// buildID returns the id of this build, which is empty if nothing identifies it.
func (d deployment) buildID(build version.Build) string {
	if d.BuildID != "" {
		return d.BuildID
	}
	return build.ID()
}

// options returns the worker's options for the build that runs.
func (d deployment) options(build version.Build) worker.DeploymentOptions {
	identity := worker.WorkerDeploymentVersion{DeploymentName: d.Name, BuildID: d.buildID(build)}
	if d.Name == "" {
		return worker.DeploymentOptions{Version: identity} // the SDK rejects a versioning behavior without versioning
	}
	return worker.DeploymentOptions{
		UseVersioning: true,
		Version:       identity,
		// Orders wait for weeks, so they and the emails they send move on to the newest
		// version.
		DefaultVersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	}
}
