package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/chaos/internal/rig"
)

// The drills prove the documentation only if they do what it says.

func TestProcedures_Documented(t *testing.T) {
	t.Parallel()
	titles := map[string]string{rig.Postgres: "PostgreSQL", rig.Temporal: "Temporal", rig.KurrentDB: "KurrentDB"}
	for store, p := range procedures() {
		section := sectionOf(t, "../../docs/restore.md", titles[store])
		at := 0
		for _, command := range slices.Concat(p.first, p.commands) {
			text := "   " + rig.Orderflow + " " + strings.Join(command, " ") + "\n"
			found := strings.Index(section[at:], text)
			require.GreaterOrEqual(t, found, 0, "%s: %q, in this order", store, text)
			at += found + len(text)
		}
	}
}

func TestUpgradeSteps_Documented(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("../../docs/upgrades.md")
	require.NoError(t, err)
	for _, step := range upgradeSteps() {
		if step.binary == "" {
			command := rig.Orderflow + " " + strings.Join(step.command, " ")
			require.Regexp(t, "(\n|`)"+regexp.QuoteMeta(command)+"(\n|`)", string(body))
		}
	}
}

// sectionOf returns a section of a document by its title.
func sectionOf(t *testing.T, file, title string) string {
	t.Helper()
	body, err := os.ReadFile(file)
	require.NoError(t, err)
	_, section, found := strings.Cut(string(body), "\n## "+title+"\n")
	require.True(t, found, title)
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}
