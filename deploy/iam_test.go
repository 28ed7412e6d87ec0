package deploy_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// policy is an IAM policy document in the form that our files use.
type policy struct {
	Version   string
	Statement []struct {
		Sid, Effect, Action string
		Resource            any
		Condition           map[string]map[string]string `json:",omitempty"`
	}
}

func readPolicy(t *testing.T, name string) policy {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("iam", name))
	require.NoError(t, err)
	var p policy
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&p))
	require.Equal(t, "2012-10-17", p.Version)
	return p
}

func (p policy) actions() []string {
	var actions []string
	for _, s := range p.Statement {
		actions = append(actions, s.Action)
	}
	slices.Sort(actions)
	return actions
}

// calls returns the IAM actions of the operations of a service that files of internal/ses
// call. An operation and its action have the same name.
func calls(t *testing.T, service string, files ...string) []string {
	t.Helper()
	var actions []string
	for _, file := range files {
		source, err := os.ReadFile(filepath.Join("..", "internal", "ses", file))
		require.NoError(t, err)
		for _, call := range regexp.MustCompile(`\.client\.([A-Z]\w*)\(`).FindAllStringSubmatch(string(source), -1) {
			actions = append(actions, service+":"+strings.TrimSuffix(call[1], "Batch")) // a batch needs the right of a single call
		}
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	t.Run("allows what the code calls, and no more", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, calls(t, "ses", "mailer.go", "check.go"), readPolicy(t, "worker.json").actions())
		require.Equal(t, calls(t, "ses", "inspect.go"), readPolicy(t, "doctor.json").actions())
		require.Equal(t, calls(t, "sqs", "queue.go"), readPolicy(t, "email-events.json").actions())
		sources, err := filepath.Glob("../internal/ses/*.go")
		require.NoError(t, err)
		for i := range sources {
			sources[i] = filepath.Base(sources[i])
		}
		sources = slices.DeleteFunc(sources, func(file string) bool { return file == "queue.go" })
		require.Equal(t, calls(t, "ses", "mailer.go", "check.go", "inspect.go"), calls(t, "ses", sources...), "a file that no policy covers calls AWS")
	})
	t.Run("names a resource wherever SES lets it", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"worker.json", "doctor.json", "email-events.json"} {
			for _, s := range readPolicy(t, name).Statement {
				require.Equal(t, "Allow", s.Effect)
				require.Equal(t, s.Action == "ses:GetAccount", s.Resource == "*", "%s of %s", s.Action, name)
			}
		}
	})
	t.Run("limits the sender", func(t *testing.T) {
		t.Parallel()
		for _, s := range readPolicy(t, "worker.json").Statement {
			if s.Action == "ses:SendEmail" {
				require.NotEmpty(t, s.Condition["StringEquals"]["ses:FromAddress"])
			}
		}
	})
}
