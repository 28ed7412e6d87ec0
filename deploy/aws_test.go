package deploy_test

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"orderflow/internal/email"
)

// at returns the value at a path of names.
func at(t *testing.T, node *yaml.Node, path ...string) *yaml.Node {
	t.Helper()
	for _, name := range path {
		i := slices.IndexFunc(node.Content, func(n *yaml.Node) bool { return n.Value == name })
		require.GreaterOrEqual(t, i, 0, "%s of %v", name, path)
		node = node.Content[i+1]
	}
	return node
}

func TestEmailTemplate(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("aws/email.yaml")
	require.NoError(t, err)
	var document yaml.Node
	require.NoError(t, yaml.Unmarshal(content, &document))
	resources := at(t, document.Content[0], "Resources")

	var published []string
	require.NoError(t, at(t, resources, "EventDestination", "Properties", "EventDestination", "MatchingEventTypes").Decode(&published))
	names := map[email.EventType]string{email.EventDelay: "deliveryDelay"} // the others have the same name
	var consumed []string
	for _, known := range email.EventTypes() {
		name, other := names[known]
		if !other {
			name = string(known)
		}
		consumed = append(consumed, name)
	}
	require.ElementsMatch(t, consumed, published, "SES publishes what the worker consumes")
	require.Equal(t, "!GetAtt", at(t, resources, "Queue", "Properties", "RedrivePolicy", "deadLetterTargetArn").Tag)
	require.Equal(t, "orderflow-email-events", at(t, document.Content[0], "Parameters", "QueueName", "Default").Value, "as in the policy of IAM")
	for resource, name := range map[string]string{"Topic": "TopicName", "Queue": "QueueName", "DeadLetters": "QueueName"} {
		require.Contains(t, at(t, resources, resource, "Properties", name).Value, "QueueName", "two environments have different ones")
	}
}
