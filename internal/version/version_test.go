package version

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

const revision = "5678c2dcba2e7faae3dc2e4d0750bef6b627bae5"

// stamped is what Go records of a main module.
func stamped(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
	return &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: version}, Settings: settings}
}

func TestRead(t *testing.T) {
	t.Parallel()
	b := Read()
	require.Equal(t, runtime.Version(), b.GoVersion)
	require.NotEmpty(t, b.Version)
}

func TestBuild(t *testing.T) {
	t.Parallel()
	commit := debug.BuildSetting{Key: "vcs.revision", Value: revision}
	for name, test := range map[string]struct {
		version, revision string // linked
		info              *debug.BuildInfo
		text, id          string
	}{
		"a release": {
			version: "v0.1.0", revision: revision, info: stamped("(devel)"),
			text: "v0.1.0 (commit 5678c2dcba2e, go1.26.8)", id: "v0.1.0",
		},
		"a release of an unknown commit does not take another one": {
			version: "v0.1.0", info: stamped("v0.1.1-0.20261129210515-8830ca406949", commit),
			text: "v0.1.0 (go1.26.8)", id: "v0.1.0",
		},
		"a release of a short commit": {
			version: "v0.1.0", revision: "5678c2d", info: stamped("(devel)"), text: "v0.1.0 (commit 5678c2d, go1.26.8)", id: "v0.1.0",
		},
		"a changed checkout, by git describe": {
			version: "v0.1.0-3-g5678c2d-dirty", revision: revision, info: stamped("(devel)"),
			text: "v0.1.0-3-g5678c2d-dirty (commit 5678c2dcba2e, go1.26.8)",
		},
		"a checkout": {
			info: stamped("v0.1.1-0.20261129210515-5678c2dcba2e", commit),
			text: "v0.1.1-0.20261129210515-5678c2dcba2e (commit 5678c2dcba2e, go1.26.8)", id: "v0.1.1-0.20261129210515-5678c2dcba2e",
		},
		"a changed checkout, by Go": {
			info: stamped("v0.1.0+dirty", commit), text: "v0.1.0+dirty (commit 5678c2dcba2e, go1.26.8)",
		},
		"a folder":            {info: stamped("(devel)"), text: "(devel) (go1.26.8)"},
		"a test":              {info: stamped(""), text: "(devel) (go1.26.8)"},
		"a module of a proxy": {info: stamped("v0.1.0"), text: "v0.1.0 (go1.26.8)", id: "v0.1.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := from(test.version, test.revision, test.info)
			require.Equal(t, test.text, b.String())
			require.Equal(t, test.id, b.ID())
		})
	}
}
