package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/config"
)

func TestTracing_On(t *testing.T) {
	t.Parallel()
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318"
	for name, c := range map[string]struct {
		environ []string
		on      bool
	}{
		"off without variables":      {nil, false},
		"off with a name alone":      {[]string{"OTEL_SERVICE_NAME=orders"}, false},
		"on by an endpoint":          {[]string{endpoint}, true},
		"on by the traces' endpoint": {[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://otel.example.com/v1/traces"}, true},
		"on by the exporter":         {[]string{"OTEL_TRACES_EXPORTER=otlp"}, true},
		"off by the exporter":        {[]string{endpoint, "OTEL_TRACES_EXPORTER=none"}, false},
		"off by the SDK's switch":    {[]string{endpoint, "OTEL_SDK_DISABLED=true"}, false},
	} {
		settings, err := config.Load[config.Tracing](c.environ)
		require.NoError(t, err, name)
		require.Equal(t, c.on, settings.On(), name)
	}
}

func TestTracing_Faults(t *testing.T) {
	t.Parallel()
	_, err := config.Load[config.Tracing]([]string{
		"OTEL_TRACES_EXPORTER=zipkin", "OTEL_EXPORTER_OTLP_PROTOCOL=http/json", "OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318",
		"OTEL_EXPORTER_OTLP_HEADERS=secret", "OTEL_TRACES_SAMPLER=parentbased", "OTEL_TRACES_SAMPLER_ARG=10%",
	})
	require.Error(t, err)
	for _, problem := range []string{
		"OTEL_TRACES_EXPORTER: must be otlp or none", "OTEL_EXPORTER_OTLP_PROTOCOL: must be grpc or http/protobuf",
		"OTEL_EXPORTER_OTLP_ENDPOINT: must be a URL such as http://localhost:4318",
		"OTEL_EXPORTER_OTLP_HEADERS: must be key=value",
		"OTEL_TRACES_SAMPLER: must be always_on", "OTEL_TRACES_SAMPLER_ARG: must be between 0 and 1",
	} {
		require.ErrorContains(t, err, problem)
	}
	require.NotContains(t, err.Error(), "secret")

	_, err = config.Load[config.Tracing]([]string{"OTEL_SDK_DISABLED=true", "OTEL_TRACES_EXPORTER=zipkin"})
	require.NoError(t, err, "what is switched off is not checked")
	_, err = config.Load[config.Tracing]([]string{"OTEL_TRACES_EXPORTER=none", "OTEL_EXPORTER_OTLP_PROTOCOL=http/json"})
	require.NoError(t, err, "what is switched off is not checked")
	_, err = config.Load[config.Tracing]([]string{"OTEL_TRACES_SAMPLER=Parentbased_TraceIDRatio", "OTEL_TRACES_SAMPLER_ARG=0.1"})
	require.NoError(t, err)
}

func TestTracing_Headers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "headers")
	require.NoError(t, os.WriteFile(file, []byte("Authorization=Basic%20dTpw, X-Scope-OrgID=shop\n"), 0o600))
	settings, err := config.Load[config.Tracing]([]string{"OTEL_EXPORTER_OTLP_HEADERS_FILE=" + file})
	require.NoError(t, err)
	headers, err := settings.HeaderMap()
	require.NoError(t, err)
	require.Equal(t, map[string]string{"Authorization": "Basic dTpw", "X-Scope-OrgID": "shop"}, headers)

	settings, err = config.Load[config.Tracing]([]string{
		"OTEL_EXPORTER_OTLP_HEADERS=X-Scope-OrgID=metrics", "OTEL_EXPORTER_OTLP_TRACES_HEADERS=X-Scope-OrgID=traces",
	})
	require.NoError(t, err)
	headers, err = settings.HeaderMap()
	require.NoError(t, err)
	require.Equal(t, map[string]string{"X-Scope-OrgID": "traces"}, headers, "those for traces alone replace the others")

	_, err = config.Load[config.Tracing]([]string{"OTEL_EXPORTER_OTLP_TRACES_HEADERS=c2VjcmV0Og"})
	require.ErrorContains(t, err, "OTEL_EXPORTER_OTLP_TRACES_HEADERS: must be key=value")
	require.NotContains(t, err.Error(), "c2VjcmV0Og")
}

// A header that cannot be sent is found at the start: the exporter would log it, with the
// secret in it, at each attempt.
func TestTracing_UnusableHeaders(t *testing.T) {
	t.Parallel()
	for name, headers := range map[string]string{
		"a colon instead of an equals sign": "Authorization: Basic c2VjcmV0Og==",
		"a name with a blank":               "Authorization Basic=c2VjcmV0Og",
		"pairs on lines of their own":       "Authorization=c2VjcmV0Og\nX-Scope-OrgID=shop",
	} {
		_, err := config.Load[config.Tracing]([]string{"OTEL_EXPORTER_OTLP_HEADERS=" + headers})
		require.ErrorContains(t, err, "OTEL_EXPORTER_OTLP_HEADERS: must be key=value", name)
		require.NotContains(t, err.Error(), "c2VjcmV0Og", name)
	}
}

func TestTracing_Protocol(t *testing.T) {
	t.Parallel()
	require.False(t, config.Tracing{}.GRPC())
	require.True(t, config.Tracing{Protocol: "grpc"}.GRPC())
	require.False(t, config.Tracing{Protocol: "grpc", TracesProtocol: "http/protobuf"}.GRPC())
}
