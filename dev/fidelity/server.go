package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"orderflow/dev/devserver"
	"orderflow/dev/fidelity/internal/probe"
)

const (
	stopTimeout = 10 * time.Second
	// certified is the validity of kurrentsim's certificate: longer than any run.
	certified = 23 * time.Hour
	// The users of kurrentsim with TLS. The first has every right, the second is in no
	// group.
	adminName, adminPassword   = "admin", "changeit"
	secondName, secondPassword = "plain", "secret"
)

// needsRights reports whether a probe is asked over TLS, as two users.
func needsRights(name string) bool { return strings.HasPrefix(name, "access.") }

// ask runs the probes against the server at the given URL, or against kurrentsim, and
// returns the results. It starts kurrentsim twice: without TLS, and with TLS and users
// for the probes about rights.
func (s *session) ask(ctx context.Context, names []string, parallel int) ([]probe.Answer, error) {
	if s.options.url != "" {
		if !slices.Contains(names, versionProbe) {
			names = append([]string{versionProbe}, names...)
		}
		return probe.Ask(ctx, s.asking(s.options.url, s.options.second, parallel), names)
	}
	var answers []probe.Answer
	for _, secure := range []bool{false, true} {
		some := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return needsRights(name) != secure })
		if len(some) == 0 {
			continue
		}
		more, err := s.askKurrentsim(ctx, some, secure, parallel)
		if err != nil {
			return nil, err
		}
		answers = append(answers, more...)
	}
	return answers, nil
}

func (s *session) asking(url string, second probe.Credentials, parallel int) probe.Options {
	return probe.Options{
		URL: url, Second: second, Quiet: s.options.quiet, Parallel: parallel,
		Answered: func(a probe.Answer) {
			if len(a.Faults) > 0 {
				fmt.Fprintf(s.stderr, "%s: %s\n", a.Probe, strings.Join(a.Faults, ", "))
			}
		},
	}
}

// askKurrentsim starts kurrentsim for some probes, and stops it.
func (s *session) askKurrentsim(ctx context.Context, names []string, secure bool, parallel int) (answers []probe.Answer, err error) {
	dir, err := os.MkdirTemp("", "fidelity-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ports, err := devserver.ClaimPorts()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ports.Close()) }()
	port, err := ports.Next()
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	at, args, second := "kurrentdb://"+address+"?tls=false", []string{"--listen", address}, probe.Credentials{}
	if secure {
		if at, args, err = secureArgs(dir, address); err != nil {
			return nil, err
		}
		second = probe.Credentials{Name: secondName, Password: secondPassword}
	}
	log := filepath.Join(dir, "kurrentsim.log")
	server, err := devserver.Start(ctx, devserver.Command{
		Name: "kurrentsim", Path: s.options.kurrentsim, LogFile: log,
		Args: append(args, "--version-string", realVersion),
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop(server)) }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-server.Done():
			said, _ := os.ReadFile(log) // its last log lines are more useful than its exit code
			cancel(fmt.Errorf("kurrentsim ended: %s", strings.TrimSpace(string(said))))
		case <-ctx.Done():
		}
	}()
	return probe.Ask(ctx, s.asking(at, second, parallel), names)
}

// stop stops kurrentsim. It must work after the context of the session is done.
func stop(server *devserver.Process) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return server.Stop(ctx, syscall.SIGTERM, syscall.SIGKILL)
}

// secureArgs returns the connection string and arguments of a kurrentsim with TLS. The
// administrator comes last, because a kurrentsim that supports a single user takes the
// last.
func secureArgs(dir, address string) (at string, args []string, err error) {
	certificate, key, err := devserver.WriteCertificate(dir, "node", time.Now().Add(certified))
	if err != nil {
		return "", nil, err
	}
	query := url.Values{"tls": {"true"}, "tlsCAFile": {certificate}}
	at = "kurrentdb://" + adminName + ":" + adminPassword + "@" + address + "?" + query.Encode()
	return at, []string{
		"--listen-tls", address, "--tls-cert", certificate, "--tls-key", key,
		"--user", secondName + ":" + secondPassword, "--user", adminName + ":" + adminPassword,
	}, nil
}
