package compose

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

// root is the repository's root.
const root = "../../.."

// daemons are the services that run a daemon of the product. Each has the daemon's name.
var daemons = []string{"api", "projector", "publisher", "starter", "worker"}

// load reads the file as Compose v2 does, which refuses unknown keys, without a .env file.
func load(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions(
		[]string{filepath.Join(root, "deploy", "compose", "compose.yaml")}, cli.WithName("orderflow"), cli.WithInterpolation(true),
	)
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return project
}

func TestCompose(t *testing.T) {
	t.Parallel()
	project := load(t)
	services := project.AllServices()
	require.Greater(t, len(services), 10)
	t.Run("pins the version of every image", func(t *testing.T) {
		t.Parallel()
		for _, service := range services {
			if service.Image == "orderflow:local" {
				continue // built here
			}
			require.Regexp(t, `:v?\d+\.\d+(\.\d+)?[a-z0-9.-]*$`, service.Image, service.Name)
		}
	})
	t.Run("builds the product's image once", func(t *testing.T) {
		t.Parallel()
		for _, service := range services {
			if service.Build == nil {
				continue
			}
			require.Equal(t, "setup", service.Name, "the daemons start after it")
			require.FileExists(t, filepath.Join(service.Build.Context, service.Build.Dockerfile))
			require.FileExists(t, filepath.Join(service.Build.Context, "go.mod"))
		}
	})
	t.Run("publishes ports to this machine only", func(t *testing.T) {
		t.Parallel()
		taken := map[string]string{}
		for _, service := range services {
			for _, port := range service.Ports {
				require.Equal(t, "127.0.0.1", port.HostIP, service.Name)
				require.Empty(t, taken[port.Published], "%s and %s publish port %s", taken[port.Published], service.Name, port.Published)
				taken[port.Published] = service.Name
			}
		}
	})
	t.Run("waits for servers to be healthy and for jobs to be done", func(t *testing.T) {
		t.Parallel()
		for _, service := range services {
			for name, dependency := range service.DependsOn {
				if isJob(project.Services[name]) {
					require.Equal(t, types.ServiceConditionCompletedSuccessfully, dependency.Condition, "%s on %s", service.Name, name)
				} else {
					require.Equal(t, types.ServiceConditionHealthy, dependency.Condition, "%s on %s", service.Name, name)
				}
			}
			require.Equal(t, isJob(service), service.HealthCheck == nil, "%s: a server has a health check, a job has none", service.Name)
		}
	})
	t.Run("mounts files that exist", func(t *testing.T) {
		t.Parallel()
		for _, service := range services {
			for _, volume := range service.Volumes {
				if volume.Type == types.VolumeTypeBind {
					require.FileExists(t, volume.Source, service.Name)
				}
			}
		}
	})
}

func TestCompose_TemporalFairness(t *testing.T) {
	t.Parallel()
	temporal := load(t).Services["temporal"]
	path := temporal.Environment["DYNAMIC_CONFIG_FILE_PATH"]
	require.NotNil(t, path)
	i := slices.IndexFunc(temporal.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == *path })
	require.GreaterOrEqual(t, i, 0, "no file is mounted there")
	settings, err := os.ReadFile(temporal.Volumes[i].Source)
	require.NoError(t, err)
	require.Contains(t, string(settings), "\nmatching.enableFairness:\n  - value: true\n")
}

// isJob reports whether a service ends when it has done its work.
func isJob(service types.ServiceConfig) bool { return strings.HasPrefix(service.Restart, "on-failure") }

func TestCompose_Daemons(t *testing.T) {
	t.Parallel()
	project := load(t)
	documented := documentedVariables(t)
	for _, name := range append([]string{"setup"}, daemons...) {
		service, ok := project.Services[name]
		require.True(t, ok, name)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, "65532:65532", service.User)
			require.True(t, service.ReadOnly)
			require.Equal(t, []string{"ALL"}, []string(service.CapDrop))
			require.Contains(t, service.SecurityOpt, "no-new-privileges:true")
			checkEnvironment(t, service, documented)
			if name != "setup" {
				checkDaemon(t, service)
			}
		})
	}
}

func checkDaemon(t *testing.T, service types.ServiceConfig) {
	t.Helper()
	require.Equal(t, []string{service.Name}, []string(service.Command))
	require.Equal(t, types.ServiceConditionCompletedSuccessfully, service.DependsOn["setup"].Condition)
	require.Equal(t, []string{"CMD", "orderflow", "ready"}, []string(service.HealthCheck.Test))
	require.Positive(t, int64(service.MemLimit))
	timeout, err := time.ParseDuration(*service.Environment["SHUTDOWN_TIMEOUT"])
	require.NoError(t, err)
	require.NotNil(t, service.StopGracePeriod)
	require.GreaterOrEqual(t, time.Duration(*service.StopGracePeriod), timeout+5*time.Second)
}

// checkEnvironment fails the test unless the service reads each of its variables, has all
// that are required, and each file that one names is a secret that it gets.
func checkEnvironment(t *testing.T, service types.ServiceConfig, documented map[string]variable) {
	t.Helper()
	var mounted []string
	for _, secret := range service.Secrets {
		mounted = append(mounted, "/run/secrets/"+secret.Source)
	}
	binary := service.Command[0]
	for name, value := range service.Environment {
		require.NotNil(t, value, "%s has no value", name)
		require.NotRegexp(t, `://[^/?]*:[^/?]*@`, *value, "%s holds a password", name)
		if strings.HasSuffix(name, "_FILE") {
			require.Contains(t, mounted, *value, name)
			mounted = slices.DeleteFunc(mounted, func(path string) bool { return path == *value })
		}
		if name == "GOMEMLIMIT" {
			continue // read by the Go runtime
		}
		require.Contains(t, documented, name, "docs/configuration.md")
		require.Contains(t, documented[name].readers, binary, name)
	}
	require.Empty(t, mounted, "secrets that no variable names")
	for name, variable := range documented {
		if binary == "orderflow" && name == "EMAIL_FROM" {
			continue // doctor reads it, and setup does not
		}
		if variable.required && slices.Contains(variable.readers, binary) {
			_, value := service.Environment[name]
			_, file := service.Environment[name+"_FILE"]
			require.True(t, value || file, "%s is required", name)
		}
	}
}
