package probe

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
)

func TestNormalize(t *testing.T) {
	t.Parallel()
	const known, other = "0af1c7a2-0000-4000-8000-000000000001", "0af1c7a2-0000-4000-8000-000000000002"
	p := &P{env: &env{run: "k1234"}, prefix: "k1234.append_x.", ids: map[string]string{known: "a"}}
	for name, c := range map[string]struct{ line, want string }{
		"names of the probe and of the run":        {`k1234.append_x.s $ce-k1234.append_x.order k1234g`, `~s $ce-~order <run>g`},
		"ids by label or by order of appearance":   {known + " " + other + " " + strings.ToUpper(known) + " " + other, "#a #?1 #a #?1"},
		"positions by rank":                        {"@@900@@ @@20@@ @@900@@ @@1000@@", "P2 P1 P2 P3"},
		"times, but for how their zone is written": {"2026-11-28T23:10:11.5Z 2026-11-28T23:10:11+00:00", "<time Z> <time +00:00>"},
		"addresses":    {"127.0.0.1:2113 [::1]:99 localhost:1", "<addr> <addr> <addr>"},
		"nothing else": {`{"revision":20,"text":"P1 order-1"}`, `{"revision":20,"text":"P1 order-1"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, string(p.normalize([]byte(c.line))))
		})
	}
}

func TestShow(t *testing.T) {
	t.Parallel()
	p := &P{prefix: "k1234.x."}
	require.Equal(t, `{"$v":"<v>","$c":@@17@@,"$p":@@17@@,"$causedBy":"1"}`, p.show([]byte(`{"$v":"3:-1:1:4","$c":17,"$p":17,"$causedBy":"1"}`)))
	require.Equal(t, "C:@@5@@/P:@@4@@", p.show([]byte("C:5/P:4")))
	require.Equal(t, "hex:ff00", p.show([]byte{0xff, 0}))
	require.Regexp(t, `^x{24}\.\.\. \(501 bytes, sha256 [0-9a-f]{8}\)$`, p.show([]byte(strings.Repeat("x", 501))))
	require.Equal(t, "0 max maxint64", strings.Join([]string{mark(0), mark(1<<64 - 1), mark(1<<63 - 1)}, " "))
}

func TestFailure(t *testing.T) {
	t.Parallel()
	p := &P{}
	require.Equal(t, "ok", p.failure(nil))
	require.Equal(t, "EOF", p.failure(io.EOF), "the end of a read")
	require.NotEqual(t, "EOF", p.failure(fmt.Errorf("append: %w", io.EOF)), "a connection that ended is no end of a read")
}

func TestUserShape(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config      kurrentdb.Configuration
		given, want string
	}{
		"without security":                 {kurrentdb.Configuration{DisableTLS: true}, "system", "<user>"},
		"with security":                    {kurrentdb.Configuration{Username: "admin"}, "admin", "<user>"},
		"of another user":                  {kurrentdb.Configuration{Username: "admin"}, "plain", "plain"},
		"of a secured server's own caller": {kurrentdb.Configuration{Username: "admin"}, "system", "system"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, (&P{env: &env{config: c.config}}).userShape(c.given))
		})
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, name := range Names() {
		require.False(t, seen[name], "two probes are called %s", name)
		require.NotContains(t, name, "-", "a dash has a meaning in names of streams")
		seen[name] = true
	}
}
