package collect

import (
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/proto"

	"orderflow/internal/payloadcodec"
)

func keyFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
	return path
}

func keyLine(id, character string) string {
	return id + " " + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(character, 32)))
}

// What the product has encrypted is decrypted by code of the checker's own.
func TestPayloadKeys(t *testing.T) {
	t.Parallel()
	product, err := payloadcodec.OpenKeys(keyFile(t, keyLine("a", "x")), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	plain := &common.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(`"text"`)}
	encrypted, err := payloadcodec.New(product).Encode([]*common.Payload{plain})
	require.NoError(t, err)

	keys, err := readPayloadKeys(keyFile(t, keyLine("b", "y"), "", keyLine("a", "x")))
	require.NoError(t, err)
	decoded, err := keys.Decode([]*common.Payload{encrypted[0], plain})
	require.NoError(t, err)
	require.True(t, proto.Equal(plain, decoded[0]))
	require.True(t, proto.Equal(plain, decoded[1]))

	lacking, err := readPayloadKeys(keyFile(t, keyLine("b", "y")))
	require.NoError(t, err)
	_, err = lacking.Decode(encrypted)
	require.EqualError(t, err, `payload of key "a" cannot be decrypted`)
	other, err := readPayloadKeys(keyFile(t, keyLine("a", "y")))
	require.NoError(t, err)
	_, err = other.Decode(encrypted)
	require.ErrorContains(t, err, `payload of key "a"`)
}
