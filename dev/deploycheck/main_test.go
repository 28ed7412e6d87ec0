package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// repository is the root of the repository.
const repository = "../.."

// sources are the manifests in memory, so that a test can change them.
type sources struct {
	*testing.T
	filesys.FileSystem
	facts facts
}

func newSources(t *testing.T) sources {
	t.Helper()
	facts, err := readFacts(repository)
	require.NoError(t, err)
	s := sources{T: t, FileSystem: filesys.MakeFsInMemory(), facts: facts}
	root := filepath.Join(repository, manifestsDir)
	require.NoError(t, filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		name, err := filepath.Rel(root, path)
		require.NoError(t, err)
		return s.WriteFile("/"+filepath.ToSlash(name), content)
	}))
	return s
}

// replace changes a text in a source, wherever it is.
func (s sources) replace(file, old, replacement string) {
	s.Helper()
	content, err := s.ReadFile("/" + file)
	require.NoError(s, err)
	require.Contains(s, string(content), old)
	require.NoError(s, s.WriteFile("/"+file, []byte(strings.ReplaceAll(string(content), old, replacement))))
}

// check renders a folder and checks the result.
func (s sources) check(folder string) (int, error) {
	rendered, err := render(s.FileSystem, "/"+folder)
	if err != nil {
		return 0, err
	}
	return check(rendered, s.facts)
}

func TestCheck_Manifests(t *testing.T) {
	s := newSources(t)
	for _, folder := range folders() {
		t.Run(folder, func(t *testing.T) {
			count, err := s.check(folder)
			require.NoError(t, err)
			require.Greater(t, count, 25)
		})
	}
	require.NoError(t, checkSources(s.FileSystem, "/"))
}

// mutation is a mistake in one of the sources, and the fault that has to be found.
type mutation struct {
	name, folder, file string
	old, replacement   string
	fault              string
}

func TestCheck_Mutations(t *testing.T) {
	for _, m := range slices.Concat(typeMutations(), podMutations(), referenceMutations(), availabilityMutations(), scalingMutations()) {
		t.Run(m.name, func(t *testing.T) {
			s := newSources(t)
			s.replace(m.file, m.old, m.replacement)
			_, err := s.check(m.folder)
			require.ErrorContains(t, err, m.fault)
		})
	}
}

func TestCheckSources(t *testing.T) {
	s := newSources(t)
	s.replace("base/api.yaml", "      port: 80\n", "      port: 80\n      port: 81\n")
	require.ErrorContains(t, checkSources(s.FileSystem, "/"), `base/api.yaml`)
	require.ErrorContains(t, checkSources(s.FileSystem, "/"), `key "port" already set in map`)
}

// An overlay of a user's own sets the image, a setting and the namespace. It must reach
// the WorkerDeployment too, whose kind kustomize does not know.
func TestRender_OverlayOfUser(t *testing.T) {
	for _, folder := range folders()[1:] {
		t.Run(folder, func(t *testing.T) {
			s := newSources(t)
			require.NoError(t, s.WriteFile("/mine/kustomization.yaml", []byte(`
namespace: shop
resources: [../`+folder+`]
images: [{name: registry.example.com/orderflow, newName: registry.shop.example/orderflow, newTag: v9.9.9}]
configMapGenerator: [{name: orderflow-worker, behavior: merge, literals: ["EMAIL_FROM=Other <other@example.com>"]}]
`)))
			rendered, err := render(s.FileSystem, "/mine")
			require.NoError(t, err)
			_, err = check(rendered, s.facts)
			require.NoError(t, err)
			m, err := decode(rendered)
			require.NoError(t, err)
			c := &checker{manifests: m, facts: s.facts}
			for _, w := range c.workloads() {
				container := w.pod.Spec.Containers[0]
				require.Equal(t, "registry.shop.example/orderflow:v9.9.9", container.Image, w.name)
				if container.Name == "worker" {
					require.Equal(t, "Other <other@example.com>", c.environment(container)["EMAIL_FROM"], w.name)
				}
			}
		})
	}
}

// The base has the settings that a worker needs, and overlays/plain those that are for each
// shop to decide.
func TestRender_SettingsOfWorker(t *testing.T) {
	s := newSources(t)
	for folder, want := range map[string]map[string]string{
		"base": {"SHIP_BY": "0s"},
		"overlays/plain": {
			"SHIP_BY": "72h", "EMAIL_CONFIGURATION_SET": "orders",
			"EMAIL_EVENTS_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/111122223333/orderflow-email-events",
		},
	} {
		rendered, err := render(s.FileSystem, "/"+folder)
		require.NoError(t, err)
		m, err := decode(rendered)
		require.NoError(t, err)
		c := &checker{manifests: m, facts: s.facts}
		for _, w := range c.workloads() {
			if container := w.pod.Spec.Containers[0]; container.Name == "worker" {
				require.Subset(t, c.environment(container), want, folder)
			}
		}
	}
}

func TestRun(t *testing.T) {
	output := t.TempDir()
	var said strings.Builder
	require.NoError(t, run([]string{repository, output}, &said))
	require.Contains(t, said.String(), "worker-controller.yaml: 33 objects, checked")
	content, err := os.ReadFile(filepath.Join(output, "worker-controller.yaml"))
	require.NoError(t, err)
	require.Contains(t, string(content), "kind: WorkerDeployment")
	require.ErrorContains(t, run(nil, &said), "usage:")
	require.Error(t, run([]string{output, output}, &said), "it is no repository")
}
