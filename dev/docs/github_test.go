package docs_test

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// workflow is what .github/workflows/*.yml may use here. Decoding refuses other fields, so
// that a mistyped one is no silent default.
type workflow struct {
	Name        string
	On          map[string]any
	Permissions map[string]string
	Concurrency struct {
		Group            string
		CancelInProgress bool `yaml:"cancel-in-progress"`
	}
	Jobs map[string]job
}

type job struct {
	RunsOn  string `yaml:"runs-on"`
	Timeout int    `yaml:"timeout-minutes"`
	Steps   []step
}

type step struct {
	Uses, Run string
	With      map[string]string
}

// dependabot is .github/dependabot.yml.
type dependabot struct {
	Version int
	Updates []struct {
		Ecosystem   string `yaml:"package-ecosystem"`
		Directory   string
		Directories []string
		Schedule    struct{ Interval string }
		Groups      map[string]struct {
			Patterns    []string
			UpdateTypes []string `yaml:"update-types"`
		}
	}
}

// decode reads a file and fails the test on a field that T lacks, or that is there twice.
func decode[T any](t *testing.T, file string) (decoded T) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, file))
	require.NoError(t, err)
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(&decoded), file)
	return decoded
}

// pinned is an action at a commit.
var pinned = regexp.MustCompile(`^[\w-]+/[\w/-]+@[0-9a-f]{40}$`)

func TestGitHub_Workflows(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*"))
	require.NoError(t, err)
	ran := map[string]string{}
	for _, file := range files {
		name := filepath.Base(file)
		w := decode[workflow](t, path.Join(".github", "workflows", name))
		require.Equal(t, map[string]string{"contents": "read"}, w.Permissions, name)
		require.NotEmpty(t, w.Concurrency.Group, name)
		require.NotEmpty(t, w.On, name)
		require.NotEmpty(t, w.Jobs, name)
		ran[name] = commands(t, w)
	}
	ci := decode[workflow](t, ".github/workflows/ci.yml")
	require.Contains(t, ci.On, "pull_request")
	require.Contains(t, ran["ci.yml"], ".ci/run", "the script of every other CI")
	require.Contains(t, ran["ci.yml"], "VULN_DATABASE=required", "a check that checked nothing must not pass")
	require.Equal(t, "make vuln VULN_DATABASE=required", ran["vulnerabilities.yml"])
	info, err := os.Stat(filepath.Join(root, ".ci", "run"))
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&0o100, "it is executable")
}

// commands returns what a workflow runs.
func commands(t *testing.T, w workflow) string {
	t.Helper()
	var ran []string
	for name, j := range w.Jobs {
		require.NotEmpty(t, j.RunsOn, name)
		require.NotZero(t, j.Timeout, "%s would run for six hours", name)
		for _, s := range j.Steps {
			require.NotEqual(t, s.Uses == "", s.Run == "", "a step of %s either uses or runs", name)
			if s.Uses != "" {
				require.Regexp(t, pinned, s.Uses)
				continue
			}
			ran = append(ran, s.Run)
		}
	}
	return strings.Join(ran, "\n")
}

func TestGitHub_Dependabot(t *testing.T) {
	t.Parallel()
	config := decode[dependabot](t, ".github/dependabot.yml")
	require.Equal(t, 2, config.Version)
	listed := map[string][]string{}
	for _, u := range config.Updates {
		require.NotContains(t, listed, u.Ecosystem)
		require.Contains(t, []string{"daily", "weekly", "monthly"}, u.Schedule.Interval)
		require.NotEqual(t, u.Directory == "", len(u.Directories) == 0, u.Ecosystem)
		folders := slices.Concat(u.Directories, []string{u.Directory})
		slices.Sort(folders)
		listed[u.Ecosystem] = slices.DeleteFunc(folders, func(f string) bool { return f == "" })
	}
	require.Equal(t, map[string][]string{
		"gomod": foldersWith(t, "go.mod"), "npm": foldersWith(t, "package.json"), "docker": {"/deploy"}, "docker-compose": {"/deploy/compose"}, "github-actions": {"/"},
	}, listed)
	require.Subset(t, listed["docker"], foldersWith(t, "Dockerfile"))
}

// foldersWith returns the folders of the repository that have a file of this name, from
// the root. Hidden folders, fixtures and installed packages are left out.
func foldersWith(t *testing.T, name string) (folders []string) {
	t.Helper()
	require.NoError(t, fs.WalkDir(os.DirFS(root), ".", func(file string, entry fs.DirEntry, err error) error {
		skipped := file != "." && strings.HasPrefix(entry.Name(), ".") || slices.Contains([]string{"testdata", "node_modules", "dist"}, entry.Name())
		switch {
		case err != nil:
			return err
		case entry.IsDir() && skipped:
			return fs.SkipDir
		case !entry.IsDir() && entry.Name() == name:
			folders = append(folders, path.Join("/", path.Dir(file)))
		}
		return nil
	}))
	slices.Sort(folders)
	return folders
}
