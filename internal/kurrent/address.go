package kurrent

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// address is a parsed connection string. The client's own parser runs after this one: it
// ignores some bad values, picks one of two contradicting ones at random, logs to
// standard error, and quotes passwords in its errors.
type address struct {
	scheme  string
	user    *url.Userinfo
	hosts   []string
	options map[string]string // known options, by lower-case name
	ignored []string          // names of unknown options
}

// optionChecks returns the options that the client knows, by lower-case name, each with a
// check of its value.
func optionChecks() map[string]func(string) string {
	return map[string]func(string) string{
		"tls":                 checkBool,
		"tlsverifycert":       checkBool,
		"tlscafile":           checkCAFile,
		"usercertfile":        func(string) string { return "" }, // checked as a pair
		"userkeyfile":         func(string) string { return "" },
		"nodepreference":      checkPreference,
		"gossiptimeout":       checkNumber(1, 60, "seconds"), // bounds one connection attempt
		"keepaliveinterval":   checkNumber(1, 600_000, "milliseconds"),
		"keepalivetimeout":    checkNumber(1, 600_000, "milliseconds"),
		"defaultdeadline":     checkNumber(1, 3_600_000, "milliseconds"),
		"maxdiscoverattempts": checkNumber(1, 1<<31-1, ""),
		"discoveryinterval":   checkNumber(0, 1<<31-1, "milliseconds"),
	}
}

// parseAddress parses raw and returns everything that is wrong with it. No problem quotes
// a value from raw.
func parseAddress(raw string) (address, []string) {
	var a address
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || !slices.Contains([]string{"esdb", "kdb", "kurrent", "kurrentdb"}, strings.TrimSuffix(scheme, "+discover")) {
		return a, []string{"must start with kurrentdb:// or kurrentdb+discover://"}
	}
	a.scheme = scheme
	credentials, rest, faults := cutCredentials(rest)
	a.user = credentials
	hosts, query, _ := strings.Cut(rest, "?")
	faults = append(faults, a.parseHosts(strings.TrimSuffix(hosts, "/"))...)
	faults = append(faults, a.parseOptions(query)...)
	return a, faults
}

// cutCredentials splits rest at the last @. So an unescaped character in a password
// cannot turn the remainder of it into a host or an option that an error or a log would
// name.
func cutCredentials(rest string) (*url.Userinfo, string, []string) {
	at := strings.LastIndex(rest, "@")
	if at < 0 {
		return nil, rest, nil
	}
	name, password, _ := strings.Cut(rest[:at], ":")
	name, nameErr := url.PathUnescape(name)
	password, passwordErr := url.PathUnescape(password)
	switch {
	case nameErr != nil || passwordErr != nil || strings.ContainsAny(rest[:at], "/?#[]@"):
		return nil, rest[at+1:], []string{"user and password must be percent-encoded"}
	case name == "" || password == "":
		return nil, rest[at+1:], []string{"user and password must both be given, or neither"}
	}
	return url.UserPassword(name, password), rest[at+1:], nil
}

func (a *address) parseHosts(list string) []string {
	if strings.ContainsAny(list, "/#") {
		return []string{"must have no path"}
	}
	a.hosts = strings.Split(list, ",")
	for _, host := range a.hosts {
		name, port, hasPort := strings.Cut(host, ":")
		number, err := strconv.ParseUint(port, 10, 16)
		switch {
		case name == "" || strings.ContainsAny(name, " []%\\") || strings.Contains(port, ":"):
			return []string{"each host must be a name or an IPv4 address, with or without a port"}
		case hasPort && (err != nil || number == 0):
			return []string{"a port must be from 1 to 65535"}
		}
	}
	return nil
}

func (a *address) parseOptions(query string) []string {
	values, err := url.ParseQuery(query)
	if err != nil {
		return []string{"options must be name=value pairs, joined by &"}
	}
	var faults []string
	checks := optionChecks()
	a.options = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		key := strings.ToLower(name)
		check, known := checks[key]
		_, given := a.options[key]
		switch {
		case !known:
			a.ignored = append(a.ignored, name)
		case given || len(values[name]) > 1:
			faults = append(faults, name+" is given more than once")
		default:
			a.options[key] = values[name][0]
			if problem := check(values[name][0]); problem != "" {
				faults = append(faults, name+" "+problem)
			}
		}
	}
	return append(faults, a.checkKeyPair()...)
}

func (a *address) checkKeyPair() []string {
	cert, key := a.options["usercertfile"], a.options["userkeyfile"]
	if cert == "" && key == "" {
		return nil
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		return []string{"userCertFile and userKeyFile must name a certificate and its key"}
	}
	return nil
}

// insecureOptions returns a problem for each option that is allowed only in development.
// With such an option, credentials would not be sent, or could be sent to any server.
func (a *address) insecureOptions() []string {
	var faults []string
	if isFalse(a.options["tls"]) {
		faults = append(faults, "tls=false is refused: plaintext is not allowed, unless KURRENTDB_ALLOW_PLAINTEXT or AllowPlaintext is true")
	}
	if isFalse(a.options["tlsverifycert"]) {
		faults = append(faults, "tlsVerifyCert=false is refused: plaintext is not allowed, unless KURRENTDB_ALLOW_PLAINTEXT or AllowPlaintext is true")
	}
	return faults
}

// String returns the connection string for the client's parser.
func (a *address) String() string {
	query := url.Values{}
	for name, value := range a.options {
		query.Set(name, value)
	}
	// The transport pings at most every 10 s, and the client warns on standard error if
	// asked to ping faster.
	if interval, err := strconv.Atoi(a.options["keepaliveinterval"]); err == nil {
		query.Set("keepaliveinterval", strconv.Itoa(max(interval, 10_000)))
	}
	credentials := ""
	if a.user != nil {
		// The client takes a comma anywhere in a list of hosts for the end of one.
		credentials = strings.ReplaceAll(a.user.String(), ",", "%2C") + "@"
	}
	scheme := a.scheme
	if len(a.hosts) > 1 {
		// The client asks each of several hosts for gossip anyway. With a scheme that asks
		// for discovery it connects to an empty address instead.
		scheme = strings.TrimSuffix(scheme, "+discover")
	}
	return scheme + "://" + credentials + strings.Join(a.hosts, ",") + "?" + query.Encode()
}

func isFalse(value string) bool {
	parsed, err := strconv.ParseBool(strings.ToLower(value))
	return err == nil && !parsed
}

func checkBool(value string) string {
	if _, err := strconv.ParseBool(strings.ToLower(value)); err != nil {
		return "must be true or false"
	}
	return ""
}

func checkPreference(value string) string {
	if !strings.EqualFold(value, "leader") { // any other node may not have the latest writes yet
		return "must be leader"
	}
	return ""
}

func checkCAFile(value string) string {
	pem, err := os.ReadFile(value)
	if err != nil || !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return "must name a file of PEM certificates"
	}
	return ""
}

func checkNumber(lowest, highest int, unit string) func(string) string {
	return func(value string) string {
		if n, err := strconv.Atoi(value); err != nil || n < lowest || n > highest {
			return strings.TrimSpace(fmt.Sprintf("must be a whole number from %d to %d %s", lowest, highest, unit))
		}
		return ""
	}
}
