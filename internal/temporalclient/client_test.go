package temporalclient_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/config"
	"orderflow/internal/ops"
	"orderflow/internal/temporalclient"
)

func TestOptions_FaultsTheSDKIgnores(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"TEMPORAL_TLS", "yes-please", "TEMPORAL_TLS: must be true or false"},
		{"TEMPORAL_TLS_DISABLE_HOST_VERIFICATION", "2", "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION: must be true or false"},
		{"TEMPORAL_API_KEY", "key\n", "TEMPORAL_API_KEY: must be one word, without blanks and line ends"},
		{"TEMPORAL_API_KEY_FILE", "no-such-file", "TEMPORAL_API_KEY_FILE: names a file that cannot be read: no such file or directory"},
		{"TEMPORAL_API_KEY_FILE", "/dev/null", "TEMPORAL_API_KEY_FILE: must hold one word, without blanks"},
		{"TEMPORAL_API_KEY_FILE", "client_test.go", "TEMPORAL_API_KEY_FILE: must hold one word, without blanks"},
		{"TEMPORAL_CONFIG_FILE", "no-such-file", "TEMPORAL_CONFIG_FILE: names a file that cannot be read"},
		{"TEMPORAL_TLS_SERVER_CA_CERT_PATH", "no-such-file", "TEMPORAL_TLS_SERVER_CA_CERT_PATH: names a file that cannot be read"},
	}
	metrics, err := ops.NewMetrics("test")
	require.NoError(t, err)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(test.name, test.value)
			_, err := temporalclient.Options("test", config.Payloads{}, slog.New(slog.DiscardHandler), metrics)
			require.EqualError(t, err, test.want)
		})
	}
	t.Run("an address is used unchanged", func(t *testing.T) {
		t.Setenv("TEMPORAL_ADDRESS", "temporal.example.com:7233")
		options, err := temporalclient.Options("test", config.Payloads{}, slog.New(slog.DiscardHandler), metrics)
		require.NoError(t, err)
		require.Equal(t, "temporal.example.com:7233", options.HostPort)
		require.Equal(t, "default", options.Namespace)
	})
}
