package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// facts are what the manifests must agree with elsewhere in the repository.
type facts struct {
	variables []string            // that the documentation lists; one may end in * for any rest
	secrets   map[string][]string // the keys of each secret that a user creates, as the README lists them
}

// imageUser is the user that deploy/Dockerfile sets.
const imageUser = 65532

// The files that the facts are read from.
const (
	configurationPage = "docs/configuration.md"
	readme            = manifestsDir + "/README.md"
)

func readFacts(repository string) (facts, error) {
	var content [2]string
	for i, name := range []string{configurationPage, readme} {
		text, err := os.ReadFile(filepath.Join(repository, name))
		if err != nil {
			return facts{}, err
		}
		content[i] = string(text)
	}
	f := facts{variables: variablesOf(content[0]), secrets: secretsOf(content[1])}
	if len(f.variables) == 0 || len(f.secrets) == 0 {
		return facts{}, fmt.Errorf("%s or %s no longer has the table that is read from it", configurationPage, readme)
	}
	return f, nil
}

// variablesOf returns the variables of the page's tables.
func variablesOf(page string) []string {
	name := regexp.MustCompile("`([A-Z][A-Z0-9_]+\\*?)`")
	var names []string
	for line := range strings.SplitSeq(page, "\n") {
		if strings.HasPrefix(line, "|") {
			for _, found := range name.FindAllStringSubmatch(line, -1) {
				names = append(names, found[1])
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (f facts) documents(variable string) bool {
	return slices.ContainsFunc(f.variables, func(name string) bool {
		prefix, wildcard := strings.CutSuffix(name, "*")
		return name == variable || wildcard && strings.HasPrefix(variable, prefix)
	})
}

// secretsOf reads the table of secrets: a name, its keys, and who mounts it.
func secretsOf(page string) map[string][]string {
	_, table, _ := strings.Cut(page, "| secret | keys | mounted by |\n|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	code := regexp.MustCompile("`([^`]+)`")
	secrets := map[string][]string{}
	for line := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		name := strings.Trim(cells[1], " `")
		for _, key := range code.FindAllStringSubmatch(cells[2], -1) {
			secrets[name] = append(secrets[name], key[1])
		}
	}
	return secrets
}
