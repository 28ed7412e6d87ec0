package programs

import (
	"maps"
	"os"
	"slices"
	"strings"
)

// Environment holds variables by name.
type Environment map[string]string

// EnvironmentOf reads variables in the form of os.Environ.
func EnvironmentOf(environ []string) Environment {
	e := Environment{}
	for _, variable := range environ {
		if name, value, ok := strings.Cut(variable, "="); ok && name != "" {
			e[name] = value
		}
	}
	return e
}

// Environ returns the variables in the form of os.Environ.
func (e Environment) Environ() []string {
	list := make([]string, 0, len(e))
	for name, value := range e {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// LookupEnv is os.LookupEnv for these variables.
func (e Environment) LookupEnv(name string) (string, bool) {
	value, ok := e[name]
	return value, ok
}

// Has reports whether a variable is set. A blank one counts as unset, as in every binary.
func (e Environment) Has(name string) bool { return strings.TrimSpace(e[name]) != "" }

// SetDefault sets a variable that is not set.
func (e Environment) SetDefault(name, value string) {
	if !e.Has(name) {
		e[name] = value
	}
}

func (e Environment) drop(prefix string) {
	maps.DeleteFunc(e, func(name, _ string) bool { return strings.HasPrefix(name, prefix) })
}

// Servers are the addresses of the servers that a binary connects to. An empty one leaves
// the variables of that server unchanged.
type Servers struct {
	KurrentDB string // connection string
	Temporal  string // host:port
	Postgres  string // URL
	SES       string // URL
	Events    string // URL of the queue of email events, with SES
}

// LeadTo points the variables to servers that were started for this environment. It
// replaces addresses and credentials of other servers.
func (e Environment) LeadTo(s Servers) {
	if s.KurrentDB != "" {
		e["KURRENTDB_URL"], e["KURRENTDB_ALLOW_PLAINTEXT"] = s.KurrentDB, "true"
	}
	if s.Temporal != "" {
		// A profile of the user may describe another server with another namespace and TLS.
		e.drop("TEMPORAL_")
		e["TEMPORAL_ADDRESS"], e["TEMPORAL_CONFIG_FILE"] = s.Temporal, os.DevNull
	}
	if s.Postgres != "" {
		e["POSTGRES_URL"] = s.Postgres
	}
	if s.SES != "" {
		e.drop("AWS_")
		e["AWS_ENDPOINT_URL_SESV2"] = s.SES
		e.EmulateSES()
		if s.Events != "" {
			e["AWS_ENDPOINT_URL_SQS"], e["EMAIL_EVENTS_QUEUE_URL"] = s.SES, s.Events
			e.SetDefault("EMAIL_CONFIGURATION_SET", "orders")
		}
	}
}

const (
	// emulatedSender is the sender of simulated emails. The domain .example is reserved.
	emulatedSender = "orders@shop.example"

	emulatedRegion = "us-east-1"
)

// EmulateSES sets what the SDK requires and an emulator of SES ignores.
func (e Environment) EmulateSES() {
	if !e.Has("AWS_ACCESS_KEY_ID") && !e.Has("AWS_PROFILE") {
		e["AWS_ACCESS_KEY_ID"], e["AWS_SECRET_ACCESS_KEY"] = "local", "local"
	}
	if !e.Has("AWS_REGION") && !e.Has("AWS_DEFAULT_REGION") {
		e["AWS_REGION"] = emulatedRegion
	}
	e.SetDefault("EMAIL_FROM", emulatedSender)
}
