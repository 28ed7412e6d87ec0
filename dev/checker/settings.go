package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"orderflow/dev/checker/internal/collect"
	"orderflow/dev/checker/internal/facts"
	"orderflow/dev/checker/internal/judge"
)

// settings are the parsed arguments and environment.
type settings struct {
	sources collect.Sources
	timeout time.Duration
	limit   int // violations printed of each invariant
	list    bool
}

func (s settings) scope() judge.Scope {
	return judge.Scope{Publisher: s.sources.Publisher, View: s.sources.View}
}

// argumentError is an invalid argument or environment variable.
type argumentError struct{ message string }

func (e argumentError) Error() string { return e.message }

func parse(args, environ []string, stderr io.Writer) (settings, error) {
	var s settings
	var stackFile string
	flags := flag.NewFlagSet("checker", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&stackFile, "stack", "", "`FILE` stack.json of a local stack, in place of the environment")
	flags.StringVar(&s.sources.LogDir, "logs", "", "`DIR` of log files to look through for personal data")
	flags.DurationVar(&s.timeout, "timeout", 10*time.Minute, "for all of it")
	flags.IntVar(&s.limit, "limit", 20, "violations printed of each invariant; all are counted")
	flags.BoolVar(&s.sources.Publisher, "publisher", false, "judge what a publisher has made of the history")
	flags.BoolVar(&s.sources.View, "view", false, "judge the customer view that a projector keeps")
	flags.Func("lost", "`FROM/TO` in RFC 3339: a span in which PostgreSQL's commits were lost by a failover or a restore; may be given again", addSpan(&s.sources.Lost))
	flags.Func("rewound", "`FROM/TO` in RFC 3339: a span in which KurrentDB's events were lost by a restore; may be given again", addSpan(&s.sources.Rewound))
	flags.BoolVar(&s.list, "list", false, "print the invariants and end")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(stderr)
		flags.Usage()
		return s, err
	case err != nil:
		return s, argumentError{"arguments: " + err.Error()}
	case flags.NArg() > 0:
		return s, argumentError{fmt.Sprintf("arguments: unexpected %q", flags.Arg(0))}
	case s.list:
		return s, nil
	}
	env := variablesOf(environ)
	if stackFile != "" {
		if err := env.addStack(stackFile); err != nil {
			return s, argumentError{"--stack: " + err.Error()}
		}
	}
	return s, s.read(env)
}

// addSpan returns a function that parses a span of time and adds it.
func addSpan(to *[]facts.Span) func(text string) error {
	return func(text string) error {
		begin, end, _ := strings.Cut(text, "/")
		var span facts.Span
		var errs [2]error
		span.From, errs[0] = time.Parse(time.RFC3339, begin)
		span.To, errs[1] = time.Parse(time.RFC3339, end)
		if errors.Join(errs[:]...) != nil || span.To.Before(span.From) {
			return errors.New("must be two times such as 2025-01-31T09:00:00Z/2025-01-31T09:00:05Z")
		}
		*to = append(*to, span)
		return nil
	}
}

// variables are the environment by name.
type variables map[string]string

func variablesOf(environ []string) variables {
	env := variables{}
	for _, variable := range environ {
		if name, value, ok := strings.Cut(variable, "="); ok {
			env[name] = strings.TrimSpace(value)
		}
	}
	return env
}

// addStack adds the addresses of a local stack, which uses plaintext on the loopback
// interface.
func (env variables) addStack(file string) error {
	body, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var stack struct{ TemporalAddress, KurrentDBURL, PostgresURL, SESURL string }
	if err := json.Unmarshal(body, &stack); err != nil {
		return errors.New("is not a stack.json")
	}
	for name := range env {
		if strings.HasPrefix(name, "TEMPORAL_") { // the user's profile may describe another server
			delete(env, name)
		}
	}
	env["TEMPORAL_CONFIG_FILE"], env["TEMPORAL_ADDRESS"] = os.DevNull, stack.TemporalAddress
	env["KURRENTDB_URL"], env["KURRENTDB_ALLOW_PLAINTEXT"] = stack.KurrentDBURL, "true"
	env["POSTGRES_URL"], env["AWS_ENDPOINT_URL_SESV2"] = stack.PostgresURL, stack.SESURL
	return nil
}

func (s *settings) read(env variables) error {
	var faults []string
	need := func(name string) string {
		if env[name] == "" {
			faults = append(faults, name+": is required")
		}
		return env[name]
	}
	s.sources.KurrentURL = need("KURRENTDB_URL")
	s.sources.PostgresURL = need("POSTGRES_URL")
	s.sources.InboxURL = need("AWS_ENDPOINT_URL_SESV2")
	s.sources.Stream = orDefault(env["STARTER_STREAM"], "$ce-order")
	s.sources.Group = orDefault(env["STARTER_GROUP"], "fulfillment")
	s.sources.Temporal = env
	if strings.Contains(s.sources.KurrentURL, "tls=false") && env["KURRENTDB_ALLOW_PLAINTEXT"] != "true" {
		faults = append(faults, "KURRENTDB_URL: tls=false needs KURRENTDB_ALLOW_PLAINTEXT=true")
	}
	if len(faults) > 0 {
		return argumentError{strings.Join(faults, "\n")}
	}
	return nil
}

func orDefault(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
