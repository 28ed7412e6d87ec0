package temporalclient_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"orderflow/internal/temporalclient"
)

func TestDynamicConfigLine(t *testing.T) {
	t.Parallel()
	line := temporalclient.DynamicConfigLine(temporalclient.FairnessSetting, `a"b: #c`)

	var config map[string][]struct {
		Value       bool
		Constraints map[string]string
	}
	require.NoError(t, yaml.Unmarshal([]byte(line), &config))
	values := config["matching.enableFairness"]
	require.Len(t, values, 1)
	require.True(t, values[0].Value)
	require.Equal(t, map[string]string{"namespace": `a"b: #c`}, values[0].Constraints)
}
