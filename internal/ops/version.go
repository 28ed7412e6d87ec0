package ops

import "runtime/debug"

// Version returns the version of the module that the binary was built from, and the Go
// release that built it.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok { // built without modules
		return "unknown"
	}
	return info.Main.Version + " " + info.GoVersion
}
