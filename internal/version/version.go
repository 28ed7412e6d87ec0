// Package version says which build of Orderflow a program is.
//
// A release states its version and revision when it is linked; dev/dist/build.sh does. Any
// other build has those that Go records from version control, if any.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Set by the linker's -X, which can set nothing but variables. No code assigns them.
var (
	linkedVersion  string
	linkedRevision string
)

// Unknown is the version of a build that has none, such as one of a folder that is not a
// checkout. Go calls it so.
const Unknown = "(devel)"

// Build identifies a build.
type Build struct {
	Version   string // such as v0.1.0; Unknown if the build has none
	Revision  string // the commit; empty if it is unknown
	GoVersion string // the Go release that built it
}

// Read returns the build of this program.
func Read() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok { // built without modules
		info = &debug.BuildInfo{GoVersion: runtime.Version()}
	}
	return from(linkedVersion, linkedRevision, info)
}

func from(version, revision string, info *debug.BuildInfo) Build {
	b := Build{Version: info.Main.Version, GoVersion: info.GoVersion}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Revision = s.Value
		}
	}
	if version != "" { // the revision belongs to it, even if it is empty
		b.Version, b.Revision = version, revision
	}
	if b.Version == "" {
		b.Version = Unknown
	}
	return b
}

// shortRevision is the length of a commit's abbreviation, which is that of Go's
// pseudo-versions.
const shortRevision = 12

// String returns a text such as "v0.1.0 (commit 5678c2dcba2e, go1.26.8)".
func (b Build) String() string {
	if b.Revision == "" {
		return fmt.Sprintf("%s (%s)", b.Version, b.GoVersion)
	}
	return fmt.Sprintf("%s (commit %s, %s)", b.Version, b.Revision[:min(shortRevision, len(b.Revision))], b.GoVersion)
}

// ID returns the version if it identifies the code, and an empty string if it does not:
// changed checkouts of one commit have the same version, and different code.
func (b Build) ID() string {
	if b.Version == Unknown || strings.HasSuffix(b.Version, "dirty") { // +dirty of Go, -dirty of git describe
		return ""
	}
	return b.Version
}
