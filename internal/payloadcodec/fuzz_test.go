package payloadcodec_test

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"orderflow/internal/config"
	"orderflow/internal/payloadcodec"
)

// FuzzHandler posts to the codec server. Whatever it is, the answer is a refusal, or as
// many payloads as were sent: those that were not encrypted with the key as they came.
func FuzzHandler(f *testing.F) {
	path := filepath.Join(f.TempDir(), "keys")
	require.NoError(f, writeKeyFile(path, line("a", "x")))
	keys, err := payloadcodec.OpenKeys(path, slog.New(slog.DiscardHandler))
	require.NoError(f, err)
	codec := payloadcodec.New(keys)
	encrypted, err := codec.Encode([]*common.Payload{payload(`"secret"`)})
	require.NoError(f, err)
	sent, err := protojson.Marshal(&common.Payloads{Payloads: append(encrypted, payload(`"open"`))})
	require.NoError(f, err)
	f.Add("/codec/decode", sent)
	f.Add("/codec/encode", sent)
	handler := payloadcodec.Handler(codec, "orders")
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		if !strings.HasPrefix(path, "/") || strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return // no path of a request
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(string(body)))
		r.URL.Path = path
		r.Header.Set("Content-Type", "application/json")
		got := httptest.NewRecorder()
		handler.ServeHTTP(got, r)
		if got.Code != http.StatusOK {
			require.Contains(t, []int{http.StatusBadRequest, http.StatusNotFound}, got.Code)
			require.NotContains(t, got.Body.String(), "secret")
			return
		}
		var before, after common.Payloads
		require.NoError(t, protojson.Unmarshal(body, &before))
		require.NoError(t, protojson.Unmarshal(got.Body.Bytes(), &after))
		require.Len(t, after.Payloads, len(before.Payloads))
		for i, p := range before.Payloads {
			if string(p.GetMetadata()["encoding"]) != "binary/encrypted" && strings.HasSuffix(path, "/decode") {
				require.True(t, proto.Equal(p, after.Payloads[i]))
			}
		}
	})
}

// FuzzOpenKeys reads key files. None is read as other keys than its lines say, and no
// fault quotes one.
func FuzzOpenKeys(f *testing.F) {
	f.Add(line("2026-12", "x") + line("2026-11", "y"))
	f.Add("# comment\r\n\r\na\t" + strings.TrimSpace(strings.TrimPrefix(line("a", "x"), "a ")) + "\r\n")
	path := filepath.Join(f.TempDir(), "keys")
	f.Fuzz(func(t *testing.T, content string) {
		require.NoError(t, writeKeyFile(path, content))
		keys, err := payloadcodec.OpenKeys(path, slog.New(slog.DiscardHandler))
		if err != nil {
			var invalid *config.Error
			require.ErrorAs(t, err, &invalid)
			require.Less(t, len(err.Error()), 300)
			return
		}
		codec := payloadcodec.New(keys)
		encrypted, err := codec.Encode([]*common.Payload{payload("x")})
		require.NoError(t, err)
		id := string(encrypted[0].GetMetadata()["encryption-key-id"])
		require.Regexp(t, `^[A-Za-z0-9._-]{1,64}$`, id)
		first := strings.Fields(firstLine(content))
		require.Len(t, first, 2)
		require.Equal(t, first[0], id)
		key, err := base64.StdEncoding.DecodeString(first[1])
		require.NoError(t, err)
		require.Len(t, key, 32)
		decrypted, err := codec.Decode(encrypted)
		require.NoError(t, err)
		require.True(t, proto.Equal(payload("x"), decrypted[0]))
	})
}

// firstLine returns the first line that counts.
func firstLine(content string) string {
	for line := range strings.Lines(content) {
		if fields := strings.Fields(line); len(fields) > 0 && !strings.HasPrefix(fields[0], "#") {
			return line
		}
	}
	return ""
}
