package stack

import (
	"maps"
	"os"
	"slices"
	"strings"
)

// environment holds variables by name.
type environment map[string]string

func environmentOf(environ []string) environment {
	e := environment{}
	for _, variable := range environ {
		if name, value, ok := strings.Cut(variable, "="); ok && name != "" {
			e[name] = value
		}
	}
	return e
}

// has reports whether a variable is set. A blank one counts as unset, as in every binary.
func (e environment) has(name string) bool { return strings.TrimSpace(e[name]) != "" }

// setDefault sets a variable that the user has not set.
func (e environment) setDefault(name, value string) {
	if !e.has(name) {
		e[name] = value
	}
}

func (e environment) drop(prefix string) {
	maps.DeleteFunc(e, func(name, _ string) bool { return strings.HasPrefix(name, prefix) })
}

// Environ returns the variables in the form of os.Environ.
func (e environment) Environ() []string {
	list := make([]string, 0, len(e))
	for name, value := range e {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// LookupEnv is os.LookupEnv for these variables.
func (e environment) LookupEnv(name string) (string, bool) {
	value, ok := e[name]
	return value, ok
}

// external records which parts this stack does not start.
type external struct{ kurrentdb, temporal, postgres, ses bool }

func (e environment) external(realSES bool) external {
	return external{
		kurrentdb: e.has("KURRENTDB_URL"), temporal: e.has("TEMPORAL_ADDRESS"), postgres: e.has("POSTGRES_URL"),
		ses: realSES || e.has("AWS_ENDPOINT_URL_SESV2"),
	}
}

const (
	// shopSender is the sender of simulated emails. The domain .example is reserved.
	shopSender = "orders@shop.example"

	simRegion = "us-east-1"
)

// children returns the environment of the real binaries: that of this process plus the
// addresses of the parts. The address and credentials of a part that runs here replace
// those set for an external one.
func (e environment) children(d Description, mine external, hold string, realSES bool) environment {
	c := maps.Clone(e)
	c["KURRENTDB_URL"] = d.KurrentDBURL
	if !mine.kurrentdb {
		c["KURRENTDB_ALLOW_PLAINTEXT"] = "true"
	}
	if !mine.temporal {
		// A profile of the user may describe another server with another namespace and
		// TLS.
		c.drop("TEMPORAL_")
		c["TEMPORAL_CONFIG_FILE"] = os.DevNull
		c["TEMPORAL_ADDRESS"] = d.TemporalAddress
	}
	c["POSTGRES_URL"] = d.PostgresURL
	if !mine.ses {
		c.drop("AWS_")
		c["AWS_ENDPOINT_URL_SESV2"] = d.SESURL
	}
	if !realSES {
		c.emulatedSES()
	}
	c.setDefault("CREDIT_HOLD", hold)
	return c
}

// emulatedSES sets what the SDK requires and an emulator ignores.
func (e environment) emulatedSES() {
	if !e.has("AWS_ACCESS_KEY_ID") && !e.has("AWS_PROFILE") {
		e["AWS_ACCESS_KEY_ID"], e["AWS_SECRET_ACCESS_KEY"] = "local", "local"
	}
	if !e.has("AWS_REGION") && !e.has("AWS_DEFAULT_REGION") {
		e["AWS_REGION"] = simRegion
	}
	e.setDefault("EMAIL_FROM", shopSender)
}
