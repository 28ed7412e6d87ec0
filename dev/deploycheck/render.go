package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// manifestsDir is where the manifests are in the repository.
const manifestsDir = "deploy/kubernetes"

// folders returns the folders that are rendered.
func folders() []string {
	return []string{"base", "overlays/plain", "overlays/rights", "overlays/keda", "overlays/worker-controller"}
}

// render does what `kubectl kustomize FOLDER` does.
func render(files filesys.FileSystem, folder string) ([]byte, error) {
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, folder)
	if err != nil {
		return nil, err
	}
	return resources.AsYaml()
}

// checkSources finds keys that a source has twice. Kustomize keeps one of them silently.
func checkSources(files filesys.FileSystem, root string) error {
	var faults []error
	err := files.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		content, err := files.ReadFile(path)
		if err != nil {
			return err
		}
		for _, document := range documents(content) {
			if _, err := yaml.YAMLToJSONStrict([]byte(document)); err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", path, err))
			}
		}
		return nil
	})
	return errors.Join(append(faults, err)...)
}

// documents splits a YAML stream.
func documents(stream []byte) []string {
	return strings.Split("\n"+strings.TrimPrefix(string(stream), "---\n"), "\n---\n")
}
