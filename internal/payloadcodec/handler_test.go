package payloadcodec_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"orderflow/internal/payloadcodec"
)

const uiOrigin = "https://temporal.example.com"

func serveCodec(t *testing.T, c payloadcodec.Codec) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(payloadcodec.AllowOrigins([]string{uiOrigin}, payloadcodec.Handler(c, "orders")))
	t.Cleanup(server.Close)
	return server
}

// The SDK's client of a codec server sends what the CLI sends.
func TestHandler(t *testing.T) {
	t.Parallel()
	c := codecWith(t, line("a", "x"))
	remote := converter.NewRemotePayloadCodec(converter.RemotePayloadCodecOptions{Endpoint: serveCodec(t, c).URL + "/codec"})
	plain := payload(`"secret"`)
	encrypted, err := remote.Encode([]*common.Payload{plain})
	require.NoError(t, err)
	require.NotContains(t, encrypted[0].String(), "secret")

	unknown := encrypt(t, codecWith(t, line("other", "y")), plain)
	decoded, err := remote.Decode([]*common.Payload{encrypted[0], unknown, plain})
	require.NoError(t, err)
	require.True(t, proto.Equal(plain, decoded[0]))
	require.True(t, proto.Equal(unknown, decoded[1]), "what cannot be decrypted stays as it is")
	require.True(t, proto.Equal(plain, decoded[2]))
}

func TestHandler_Refusals(t *testing.T) {
	t.Parallel()
	server := serveCodec(t, codecWith(t, line("a", "x")))
	const valid = `{"payloads":[]}`
	for name, tc := range map[string]struct {
		method, path, body string
		header             map[string]string
		status             int
	}{
		"the namespace":                   {"POST", "/decode", valid, map[string]string{"X-Namespace": "orders"}, 200},
		"a charset":                       {"POST", "/decode", valid, map[string]string{"Content-Type": "application/json; charset=utf-8"}, 200},
		"the Web UI's origin":             {"POST", "/decode", valid, map[string]string{"Origin": uiOrigin}, 200},
		"another namespace":               {"POST", "/decode", valid, map[string]string{"X-Namespace": "other"}, 403},
		"another origin":                  {"POST", "/decode", valid, map[string]string{"Origin": "https://evil.example"}, 403},
		"an origin that begins alike":     {"POST", "/decode", valid, map[string]string{"Origin": uiOrigin + ".evil.example"}, 403},
		"another scheme":                  {"POST", "/decode", valid, map[string]string{"Origin": "http://temporal.example.com"}, 403},
		"an origin with a slash":          {"POST", "/decode", valid, map[string]string{"Origin": uiOrigin + "/"}, 403},
		"the origin of a sandboxed frame": {"POST", "/decode", valid, map[string]string{"Origin": "null"}, 403},
		"a form":                          {"POST", "/decode", valid, map[string]string{"Content-Type": "text/plain"}, 415},
		"GET":                             {"GET", "/decode", "", nil, 405},
		"another path":                    {"POST", "/keys", valid, nil, 404},
		"a path that climbs":              {"POST", "/decode/../../keys", valid, nil, 404},
		"no JSON":                         {"POST", "/decode", "{", nil, 400},
		"too large":                       {"POST", "/decode", `{"payloads":[{"data":"` + strings.Repeat("A", 9<<20) + `"}]}`, nil, 400},
		"too deep":                        {"POST", "/decode", strings.Repeat(`{"payloads":[`, 100_000), nil, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request, err := http.NewRequestWithContext(t.Context(), tc.method, server.URL+tc.path, strings.NewReader(tc.body))
			require.NoError(t, err)
			request.Header.Set("Content-Type", "application/json")
			for name, value := range tc.header {
				request.Header.Set(name, value)
			}
			response, err := http.DefaultClient.Do(request)
			require.NoError(t, err)
			defer func() { _ = response.Body.Close() }()
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.Equal(t, tc.status, response.StatusCode, "%s", body)
			require.Equal(t, "Origin", response.Header.Get("Vary"))
			if tc.status != 200 {
				require.Empty(t, response.Header.Get("Access-Control-Allow-Credentials"))
			}
		})
	}
}

func TestAllowOrigins_Preflight(t *testing.T) {
	t.Parallel()
	server := serveCodec(t, codecWith(t, line("a", "x")))
	for origin, want := range map[string]int{uiOrigin: http.StatusNoContent, "https://evil.example": http.StatusForbidden} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, server.URL+"/decode", http.NoBody)
		require.NoError(t, err)
		request.Header.Set("Origin", origin)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, want, response.StatusCode)
		if want == http.StatusNoContent {
			require.Equal(t, uiOrigin, response.Header.Get("Access-Control-Allow-Origin"))
			require.Equal(t, "Authorization, Content-Type, X-Namespace", response.Header.Get("Access-Control-Allow-Headers"))
		} else {
			require.Empty(t, response.Header.Get("Access-Control-Allow-Origin"))
		}
	}
}
