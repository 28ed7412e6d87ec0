package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestHandler(t *testing.T) {
	t.Parallel()
	t.Run("sets the headers that keep a page to itself", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		for path, kind := range map[string]string{
			"/": "text/html; charset=utf-8", "/style.css": "text/css; charset=utf-8",
			"/catalog.js": "text/javascript; charset=utf-8", "/healthz": "text/plain; charset=utf-8",
		} {
			got := r.get(path)
			require.Equal(t, http.StatusOK, got.StatusCode, path)
			require.Equal(t, kind, got.Header.Get("Content-Type"))
			require.Contains(t, got.Header.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self';")
			require.Equal(t, "nosniff", got.Header.Get("X-Content-Type-Options"))
			require.Equal(t, "no-store", got.Header.Get("Cache-Control"))
		}
	})
	t.Run("refuses forms of other sites", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://elsewhere.example"}} {
			got := r.upload(newUpload(), header...)
			require.Equal(t, http.StatusForbidden, got.StatusCode)
		}
		require.Empty(t, r.messages.streams)
	})
	t.Run("has no path with an id that is none", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		for _, path := range []string{
			"/videos/x", "/videos/x/media", "/videos/%00", "/videos/..%2f..%2fetc%2fpasswd/media",
			"/videos/" + strings.ToUpper(uuid.NewString()),
		} {
			require.Equal(t, http.StatusNotFound, r.get(path).StatusCode, path)
		}
		require.Equal(t, http.StatusSeeOther, r.get("/videos").StatusCode)
	})
}

func TestParseTraceparent(t *testing.T) {
	t.Parallel()
	trace, parent := strings.Repeat("0a", 16), strings.Repeat("1", 16)
	for header, want := range map[string]bool{
		"00-" + trace + "-" + parent + "-01":                        true,
		"01-" + trace + "-" + parent + "-01-later":                  true,
		"00-" + trace + "-" + parent + "-01-later":                  false,
		"ff-" + trace + "-" + parent + "-01":                        false,
		"00-" + strings.ToUpper(trace) + "-" + parent + "-01":       false,
		"00-" + strings.Repeat("0", 32) + "-" + parent + "-01":      false,
		"00-" + trace + "-" + strings.Repeat("0", 16) + "-01":       false,
		"00-" + trace[1:] + "-" + parent + "-01":                    false,
		"":                                                          false,
		"00-" + trace:                                               false,
		"00-" + trace + "-" + parent + "-" + strings.Repeat("x", 2): false,
	} {
		id, ok := parseTraceparent(header)
		require.Equal(t, want, ok, header)
		if want {
			require.Equal(t, trace, id)
		}
	}
	made := traceOf(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	require.Regexp(t, "^[0-9a-f]{32}$", made)
}

func TestProblem_HidesItsCause(t *testing.T) {
	t.Parallel()
	p := (&site{}).toProblem(errors.New("secret"))
	text, err := json.Marshal(p)
	require.NoError(t, err)
	require.NotContains(t, string(text), "secret")
}
