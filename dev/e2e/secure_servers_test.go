package e2e_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"orderflow/dev/devserver"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/dev/programs"
	"orderflow/dev/sessim"
	"orderflow/internal/access"
	"orderflow/internal/kurrent"
	"orderflow/internal/rights"
	"orderflow/workflows"
)

// secureServers are the servers of a stack, each with TLS, and the secrets of the
// binaries. Every binary has its own user in KurrentDB, with the rights that orderflow
// setup --rights grants, and its own role in PostgreSQL. Temporal demands a client
// certificate and an API key, gets encrypted payloads only, and has no search attribute for
// amounts. The api serves TLS and has
// a token for each role. They keep their data in the folder of the stack.
type secureServers struct {
	dir         string               // of this stack's secrets
	environment programs.Environment // leads local and operators' commands to the servers
	own         map[string][]string  // variables of each daemon

	certificate string // of every server but Temporal, and its own authority; PEM
	key         string
	events      *kurrentsimtest.Secure // nil if the environment names another, as for the others
	postgres    string                 // URL of the superuser
	inbox       string                 // URL without TLS
	tokens      map[access.Role]string
	http        *http.Client

	closers []func() error
}

// totalHidden is the setting that leaves amounts out of search attributes.
const totalHidden = "ORDER_TOTAL_HIDDEN"

// startSecure starts the servers that the environment does not name, and prepares them.
func startSecure(dir string, environment programs.Environment) (s *secureServers, err error) {
	s = &secureServers{
		dir: filepath.Join(dir, "secrets"), environment: maps.Clone(environment), own: map[string][]string{}, tokens: map[access.Role]string{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	pair, err := newCertificate(s.dir, "server")
	if err != nil {
		return nil, err
	}
	s.certificate, s.key = s.file("server.crt"), s.file("server.key")
	roots := x509.NewCertPool()
	roots.AddCert(pair.Leaf)
	s.http = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	s.environment.SetDefault(totalHidden, "true")
	for _, part := range []struct {
		variable string
		start    func(stateDir string) error
	}{
		{"KURRENTDB_URL", s.startKurrentDB}, {"POSTGRES_URL", s.startPostgres}, {"TEMPORAL_ADDRESS", s.startTemporal},
		{"AWS_ENDPOINT_URL_SESV2", s.startSES}, {"PAYLOAD_KEYS_FILE", s.makeKeys}, {"API_TOKENS_FILE", s.makeTokens},
	} {
		if environment.Has(part.variable) {
			continue
		}
		if err := part.start(dir); err != nil {
			return nil, fmt.Errorf("secure %s: %w", part.variable, err)
		}
	}
	return s, s.setUp()
}

func (s *secureServers) file(name string) string { return filepath.Join(s.dir, name) }

// close stops the servers, the last one first.
func (s *secureServers) close() error {
	var errs []error
	for _, closer := range slices.Backward(s.closers) {
		errs = append(errs, closer())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// stopping makes close stop a server.
func (s *secureServers) stopping(stop func(context.Context) error) {
	s.closers = append(s.closers, func() error { return stopBriefly(stop) })
}

func (s *secureServers) startKurrentDB(state string) (err error) {
	s.events, err = kurrentsimtest.OpenSecure(kurrentsim.Options{DataDir: filepath.Join(state, "kurrentdb")}, s.certificate, s.key)
	if err != nil {
		return err
	}
	s.stopping(s.events.Stop)
	s.environment["KURRENTDB_URL"] = s.events.URLFor(kurrentsimtest.Admin)
	delete(s.environment, "KURRENTDB_ALLOW_PLAINTEXT")
	for _, user := range rights.Binaries() {
		err = errors.Join(err, s.events.AddUser(context.Background(), user))
	}
	return err
}

func (s *secureServers) startPostgres(state string) error {
	server, err := devserver.StartPostgres(context.Background(), devserver.PostgresOptions{Dir: filepath.Join(state, "postgres"), TLS: true, Fast: true})
	if err != nil {
		return err
	}
	s.stopping(server.Stop)
	s.postgres = server.URL
	s.environment["POSTGRES_URL"] = server.URL
	return nil
}

func (s *secureServers) startTemporal(state string) error {
	server, err := devserver.StartTemporal(context.Background(), devserver.TemporalOptions{
		CLIPath: filepath.Join(binaries, "temporal"), DBFile: filepath.Join(state, "temporal.db"), Headless: true,
		SearchAttributes: workflows.RequiredAttributes(s.environment[totalHidden] == "true"),
	})
	if err != nil {
		return err
	}
	s.stopping(server.Stop)
	front, err := startFrontends(s.dir, server.Address)
	s.closers = append(s.closers, front.close)
	if err != nil {
		return err
	}
	maps.Copy(s.environment, programs.EnvironmentOf(front.environ()))
	return nil
}

func (s *secureServers) startSES(state string) error {
	server, err := sessim.Start(sessim.Options{Listen: "127.0.0.1:0", DataFile: filepath.Join(state, "inbox.jsonl")})
	if err != nil {
		return err
	}
	s.stopping(server.Stop)
	s.inbox = server.URL()
	pair, err := tls.LoadX509KeyPair(s.certificate, s.key)
	if err != nil {
		return err
	}
	front, err := terminateTLS(strings.TrimPrefix(s.inbox, "http://"), &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, front.Close)
	base := "https://" + front.Addr().String()
	maps.Copy(s.environment, programs.Environment{
		"AWS_ENDPOINT_URL_SESV2": base, "AWS_ENDPOINT_URL_SQS": base, "AWS_CA_BUNDLE": s.certificate,
		"EMAIL_CONFIGURATION_SET": "orders", "EMAIL_EVENTS_QUEUE_URL": base + sessim.EventsQueuePath,
	})
	s.environment.EmulateSES()
	return nil
}

func (s *secureServers) makeKeys(string) error {
	s.environment["PAYLOAD_KEYS_FILE"] = s.file("payload-keys")
	if _, err := os.Stat(s.file("payload-keys")); err == nil {
		return nil // the stack ran before
	}
	return prependKey(s.file("payload-keys"), "first")
}

// prependKey puts a new key before those of a file.
func prependKey(path, id string) error {
	before, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	line := id + " " + base64.StdEncoding.EncodeToString(key) + "\n"
	return os.WriteFile(path, append([]byte(line), before...), 0o600)
}

// makeTokens makes a token for each role.
func (s *secureServers) makeTokens(string) error {
	environ, err := writeTokens(s.dir, s.tokens)
	maps.Copy(s.environment, programs.EnvironmentOf(environ))
	s.environment["API_TLS_CERT_FILE"], s.environment["API_TLS_KEY_FILE"] = s.certificate, s.key
	return err
}

// writeTokens writes the file of the api's tokens, and returns the variables that name it.
func writeTokens(dir string, tokens map[access.Role]string) (environ []string, err error) {
	var lines strings.Builder
	for _, role := range access.Roles() {
		tokens[role] = rand.Text()
		hash := sha256.Sum256([]byte(tokens[role]))
		fmt.Fprintf(&lines, "%s %s %s\n", role, role, hex.EncodeToString(hash[:]))
	}
	path := filepath.Join(dir, "api-tokens")
	return []string{"API_TOKENS_FILE=" + path, "API_RATE_LIMIT=0"}, os.WriteFile(path, []byte(lines.String()), 0o600)
}

const rolePassword = "secret"

// setUp runs `orderflow setup` as an administrator of the stores, sets the passwords of
// the roles, and writes the daemons' connection strings.
func (s *secureServers) setUp() error {
	var stores []string
	if s.postgres != "" {
		stores = append(stores, "postgres")
	}
	if s.events != nil {
		stores = append(stores, "kurrentdb")
	}
	if len(stores) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if s.events != nil {
		if err := s.events.StopProjection(ctx, kurrent.ByCorrelation); err != nil {
			return err
		}
	}
	command := exec.CommandContext(ctx, filepath.Join(binaries, "orderflow"), "setup", "--only", strings.Join(stores, ","), "--rights")
	command.Env = s.environment.Environ()
	said, err := command.CombinedOutput()
	if err != nil && command.ProcessState.ExitCode() != passwordsAreLeft {
		return fmt.Errorf("set up: %w\n%s", err, said)
	}
	if err := s.setPasswords(rolePassword); err != nil {
		return err
	}
	for _, name := range daemons() {
		if err := s.writeURLs(name, name, rolePassword); err != nil {
			return err
		}
	}
	return nil
}

// passwordsAreLeft is the exit code of a setup that leaves something to the operator.
const passwordsAreLeft = 3

func daemons() []string { return []string{"worker", "starter", "publisher", "projector", "api"} }

// writeURLs writes the files of a daemon's connection strings.
func (s *secureServers) writeURLs(daemon, user, password string) error {
	var variables []string
	contents := map[string]string{}
	if s.events != nil {
		contents["KURRENTDB_URL"] = s.events.URLFor(user)
	}
	if s.postgres != "" {
		contents["POSTGRES_URL"] = s.postgresAs(daemon, password)
	}
	for variable, content := range contents {
		path := s.file(daemon + "." + variable)
		if err := os.WriteFile(path, []byte(content+"\n"), 0o600); err != nil {
			return err
		}
		variables = append(variables, variable+"_FILE="+path)
	}
	s.own[daemon] = variables
	return nil
}

// variablesWith returns the variables of each daemon, with those of a test after them.
func (s *secureServers) variablesWith(others map[string][]string) map[string][]string {
	all := maps.Clone(s.own)
	for name, variables := range others {
		all[name] = slices.Concat(all[name], variables)
	}
	return all
}

// postgresAs returns the URL of the database for the role of a binary.
func (s *secureServers) postgresAs(binary, password string) string {
	u, err := url.Parse(s.postgres)
	if err != nil {
		return err.Error() // it is ours
	}
	u.User = url.UserPassword("orderflow_"+binary, password)
	return u.String()
}

// setPasswords sets the password of every role.
func (s *secureServers) setPasswords(password string) error {
	if s.postgres == "" {
		return nil
	}
	var statements []string
	for _, binary := range []string{"worker", "publisher", "projector", "api", "reconcile"} {
		statements = append(statements, "ALTER ROLE orderflow_"+binary+" PASSWORD '"+password+"'")
	}
	return s.exec(strings.Join(statements, ";"))
}

// exec runs statements as the superuser.
func (s *secureServers) exec(statements string) error {
	conn, err := pgx.Connect(context.Background(), s.postgres)
	if err != nil {
		return err
	}
	_, err = conn.Exec(context.Background(), statements)
	return errors.Join(err, conn.Close(context.Background()))
}
