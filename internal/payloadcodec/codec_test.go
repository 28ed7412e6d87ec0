package payloadcodec_test

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"orderflow/internal/payloadcodec"
)

// line returns a line of a key file whose key is 32 times a character.
func line(id, character string) string {
	return id + " " + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(character, 32))) + "\n"
}

// writeKeys writes a key file.
func writeKeys(t *testing.T, path string, lines ...string) {
	t.Helper()
	require.NoError(t, writeKeyFile(path, lines...))
}

func writeKeyFile(path string, lines ...string) error {
	return os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600)
}

func codecWith(t *testing.T, lines ...string) payloadcodec.Codec {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	writeKeys(t, path, lines...)
	keys, err := payloadcodec.OpenKeys(path, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return payloadcodec.New(keys)
}

func payload(text string) *common.Payload {
	return &common.Payload{Metadata: map[string][]byte{converter.MetadataEncoding: []byte("json/plain")}, Data: []byte(text)}
}

func encrypt(t *testing.T, c payloadcodec.Codec, p *common.Payload) *common.Payload {
	t.Helper()
	encrypted, err := c.Encode([]*common.Payload{p})
	require.NoError(t, err)
	require.Len(t, encrypted, 1)
	return encrypted[0]
}

func TestCodec(t *testing.T) {
	t.Parallel()
	c := codecWith(t, line("a", "x"))
	plain := payload(`"secret"`)
	first, second := encrypt(t, c, plain), encrypt(t, c, plain)
	require.Equal(t, "binary/encrypted", string(first.Metadata["encoding"]))
	require.Equal(t, "a", string(first.Metadata["encryption-key-id"]))
	require.NotContains(t, first.String(), "secret")
	require.NotEqual(t, first.Data, second.Data, "the same value looks the same")
	require.Len(t, first.Data, 12+proto.Size(plain)+16)

	decoded, err := c.Decode([]*common.Payload{first, plain, second})
	require.NoError(t, err)
	for _, p := range decoded {
		require.True(t, proto.Equal(plain, p), "%v", p)
	}
	foreign := &common.Payload{Metadata: map[string][]byte{converter.MetadataEncoding: []byte("binary/zlib")}, Data: []byte("x")}
	decoded, err = c.Decode([]*common.Payload{foreign})
	require.NoError(t, err)
	require.True(t, proto.Equal(foreign, decoded[0]))
}

// The SDK sends the failure of a local activity after it has read it.
func TestFailureConverter_LeavesFailureEncrypted(t *testing.T) {
	t.Parallel()
	failures := payloadcodec.FailureConverter(payloadcodec.Converter(codecWith(t, line("a", "x"))))
	inner := temporal.NewApplicationError("inner text", "KIND")
	sent := failures.ErrorToFailure(temporal.NewApplicationErrorWithCause("outer text", "KIND", inner))

	err := failures.FailureToError(sent)

	require.ErrorContains(t, err, "outer text")
	require.ErrorContains(t, errors.Unwrap(err), "inner text")
	for _, failure := range []*failurepb.Failure{sent, sent.GetCause(), failures.ErrorToFailure(err)} {
		require.Equal(t, "Encoded failure", failure.GetMessage())
	}
	require.NoError(t, failures.FailureToError(nil))
}

// The first key encrypts, and all decrypt.
func TestCodec_Rotation(t *testing.T) {
	t.Parallel()
	before := encrypt(t, codecWith(t, line("old", "x")), payload("1"))
	both := codecWith(t, "# rotated\n\n", line("new", "y"), line("old", "x"))
	require.Equal(t, "new", string(encrypt(t, both, payload("2")).Metadata["encryption-key-id"]))
	decoded, err := both.Decode([]*common.Payload{before})
	require.NoError(t, err)
	require.Equal(t, "1", string(decoded[0].Data))
}

func TestCodec_CannotDecrypt(t *testing.T) {
	t.Parallel()
	c := codecWith(t, line("a", "x"), line("b", "z"))
	for name, tc := range map[string]struct {
		change func(*common.Payload)
		want   string
	}{
		"a key that is missing": {
			func(p *common.Payload) { p.Metadata["encryption-key-id"] = []byte("c") },
			`payload was encrypted with key "c", which PAYLOAD_KEYS_FILE lacks`,
		},
		"the id of another key": {
			func(p *common.Payload) { p.Metadata["encryption-key-id"] = []byte("b") },
			`payload is damaged, or was encrypted with another key "b" than that of PAYLOAD_KEYS_FILE`,
		},
		"a changed byte": {
			func(p *common.Payload) { p.Data[20] ^= 1 },
			`payload is damaged, or was encrypted with another key "a" than that of PAYLOAD_KEYS_FILE`,
		},
		"no data": {
			func(p *common.Payload) { p.Data = nil },
			`payload is damaged, or was encrypted with another key "a" than that of PAYLOAD_KEYS_FILE`,
		},
		"no id":                   {func(p *common.Payload) { delete(p.Metadata, "encryption-key-id") }, "payload is marked as encrypted, and has no valid key id"},
		"an id that forges a log": {func(p *common.Payload) { p.Metadata["encryption-key-id"] = []byte("a\nb") }, "payload is marked as encrypted, and has no valid key id"},
		"an id without an end":    {func(p *common.Payload) { p.Metadata["encryption-key-id"] = []byte(strings.Repeat("a", 65)) }, "payload is marked as encrypted, and has no valid key id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := encrypt(t, c, payload("1"))
			tc.change(p)
			_, err := c.Decode([]*common.Payload{p})
			require.EqualError(t, err, tc.want)
			var failsTask *converter.WorkflowTaskFailureError
			require.ErrorAs(t, err, &failsTask)
		})
	}
}

func TestOpenKeys_Faults(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ content, want string }{
		"empty":         {"", "PAYLOAD_KEYS_FILE: has no key"},
		"only comments": {"# a\n\n", "PAYLOAD_KEYS_FILE: has no key"},
		"no key":        {line("a", "x") + "b\n", "PAYLOAD_KEYS_FILE: line 2: must be an id of 1 to 64 of [A-Za-z0-9._-], blanks, and a key"},
		"another word":  {"a b c\n", "PAYLOAD_KEYS_FILE: line 1: must be an id of 1 to 64 of [A-Za-z0-9._-], blanks, and a key"},
		"a bad id":      {line("a/b", "x"), "PAYLOAD_KEYS_FILE: line 1: must be an id of 1 to 64 of [A-Za-z0-9._-], blanks, and a key"},
		"no base64":     {"a ***\n", "PAYLOAD_KEYS_FILE: line 1: the key must be 32 bytes in base64"},
		"a short key":   {"a eA==\n", "PAYLOAD_KEYS_FILE: line 1: the key must be 32 bytes in base64"},
		"twice":         {line("a", "x") + line("a", "y"), "PAYLOAD_KEYS_FILE: line 2: the id is there twice"},
		"too large":     {strings.Repeat("#\n", 600_000), "PAYLOAD_KEYS_FILE: names a file that cannot be read: it has more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "keys")
			writeKeys(t, path, tc.content)
			_, err := payloadcodec.OpenKeys(path, slog.New(slog.DiscardHandler))
			require.EqualError(t, err, tc.want)
		})
	}
	_, err := payloadcodec.OpenKeys(filepath.Join(t.TempDir(), "absent"), slog.New(slog.DiscardHandler))
	require.EqualError(t, err, "PAYLOAD_KEYS_FILE: names a file that cannot be read: no such file or directory")
}

// A process keeps running while its keys are rotated.
func TestKeys_ReadAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys")
	writeKeys(t, path, line("old", "x"))
	var logged strings.Builder
	keys, err := payloadcodec.OpenKeys(path, slog.New(slog.NewTextHandler(&logged, nil)))
	require.NoError(t, err)
	c := payloadcodec.New(keys)
	current := func() string { return string(encrypt(t, c, payload("1")).Metadata["encryption-key-id"]) }
	require.Equal(t, "old", current())

	writeKeys(t, path, line("new", "y"), line("old", "x"))
	require.Eventually(t, func() bool { return current() == "new" }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, os.WriteFile(path, []byte("broken"), 0o600))
	require.Eventually(t, func() bool { current(); return strings.Contains(logged.String(), "line 1: must be") }, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, "new", current(), "the keys that were read before stay in use")
	require.NotContains(t, logged.String(), base64.StdEncoding.EncodeToString([]byte(strings.Repeat("y", 32))))
}
