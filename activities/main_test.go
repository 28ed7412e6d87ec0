package activities_test

import (
	"os"
	"strings"
	"testing"

	"orderflow/dev/devserver/devservertest"
)

var servers devservertest.Servers

func TestMain(m *testing.M) {
	clearAWSEnvironment()
	if script := os.Getenv(childVariable); script != "" {
		os.Exit(runChild(script))
	}
	servers.Main(m)
}

// clearAWSEnvironment removes this machine's AWS settings from the environment and sets
// dummy credentials.
func clearAWSEnvironment() {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_") {
			_ = os.Unsetenv(name)
		}
	}
	for name, value := range map[string]string{
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		_ = os.Setenv(name, value)
	}
}
