package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"

	"orderflow/internal/access"
	"orderflow/internal/config"
	"orderflow/internal/payloadcodec"
)

const webUI = "https://temporal.example.com"

// withCodecServer gives the api a codec server, and returns an encrypted payload.
func withCodecServer(t *testing.T, a *api) *common.Payload {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	writeFile(t, path, "a "+base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("x"), 32)))
	keys, err := payloadcodec.OpenKeys(path, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	codec := payloadcodec.New(keys)
	a.codec = newCodecServer(payloadcodec.Converter(codec), "default", []string{webUI})
	require.Nil(t, newCodecServer(converter.GetDefaultDataConverter(), "default", nil))
	require.Nil(t, newCodecServer(nil, "default", nil), "without a key file")
	encrypted, err := codec.Encode([]*common.Payload{
		{Metadata: map[string][]byte{converter.MetadataEncoding: []byte("json/plain")}, Data: []byte(`"secret"`)},
	})
	require.NoError(t, err)
	return encrypted[0]
}

func payloadsOf(t *testing.T, payload *common.Payload) any {
	t.Helper()
	encoded, err := protojson.Marshal(&common.Payloads{Payloads: []*common.Payload{payload}})
	require.NoError(t, err)
	return json.RawMessage(encoded)
}

func TestCodec(t *testing.T) {
	t.Parallel()
	a := shared.api()
	payload := withCodecServer(t, a)
	withTokens(t, a, tokenLine("desk", token, access.Decode), tokenLine("shop", token+"2", access.Read, access.Place, access.Operate, access.Credit))
	var logged bytes.Buffer
	a.logger = slog.New(slog.NewTextHandler(&logged, nil))
	c := newClient(t, a)
	page := func(r *http.Request) { r.Header.Set("Origin", webUI); r.Header.Set("Sec-Fetch-Site", "cross-site") }

	got := c.ask("POST", "/codec/decode", payloadsOf(t, payload), bearer(token), page)
	require.Equal(t, http.StatusOK, got.status, got.body)
	require.Contains(t, got.body, base64.StdEncoding.EncodeToString([]byte(`"secret"`)))
	require.Equal(t, webUI, got.header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, logged.String(), "msg=audit action=use-codec token=desk status=200")
	require.Equal(t, http.StatusNoContent, c.ask("OPTIONS", "/codec/decode", nil, page).status, "a browser asks without the token")

	require.Equal(t, http.StatusUnauthorized, c.ask("POST", "/codec/decode", payloadsOf(t, payload), page).status)
	require.Equal(t, "the token lacks the role decode",
		c.ask("POST", "/codec/decode", payloadsOf(t, payload), bearer(token+"2"), page).problem(http.StatusForbidden).Detail)
	evil := func(r *http.Request) { r.Header.Set("Origin", "https://evil.example.com") }
	require.Equal(t, http.StatusForbidden, c.ask("POST", "/codec/decode", payloadsOf(t, payload), bearer(token), evil).status)
	require.Equal(t, http.StatusForbidden, c.ask("OPTIONS", "/codec/decode", nil, evil).status)
	require.Equal(t, http.StatusForbidden, c.ask("POST", "/orders", body(newID(), "c", nil), bearer(token), page).status,
		"the page of the Web UI may place no orders")
	for _, path := range []string{"/codec", "/codec/", "/codec/keys", "/codec/../orders/decode"} {
		require.Equal(t, http.StatusNotFound, c.ask("POST", path, payloadsOf(t, payload), bearer(token)).status, path)
	}
}

func TestCodec_WithoutKeys(t *testing.T) {
	t.Parallel()
	newClient(t, shared.api()).ask("POST", "/codec/decode", map[string]any{"payloads": []any{}}).problem(http.StatusNotFound)
}

func TestSettings_CodecOrigins(t *testing.T) {
	t.Parallel()
	for _, origin := range []string{"*", "null", "temporal.example.com", "https://temporal.example.com/", "https://a@temporal.example.com", "ftp://a",
		"https://Temporal.example.com", "https://temporal.example.com:443", "http://temporal.example.com:80"} {
		_, err := config.Load[settings]([]string{
			"KURRENTDB_URL=x", "POSTGRES_URL=x", "API_CODEC_ORIGINS=" + strings.Join([]string{webUI, origin}, ","),
		})
		require.EqualError(t, err, "API_CODEC_ORIGINS: must be origins such as https://temporal.example.com, with commas between", origin)
	}
}
