package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/fidelity/internal/transcript"
	"orderflow/dev/kurrentsim"
	"orderflow/internal/config"
)

const (
	// aMoment is enough to find that no server listens.
	aMoment = time.Second
	// asked are probes that do not differ, and take no time.
	asked = `^append\.absent\.(any|at0|nostream)$`
)

func TestRun(t *testing.T) {
	t.Parallel()
	t.Run("fails if no server answers", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), aMoment)
		defer cancel()
		err := run(ctx, []string{"--url", "kurrentdb://" + devservertest.Address(t) + "?tls=false"}, &bytes.Buffer{}, &bytes.Buffer{})
		require.ErrorContains(t, err, "no server answers")
	})
	t.Run("fails with the words of a kurrentsim that does not start", func(t *testing.T) {
		t.Parallel()
		program := filepath.Join(t.TempDir(), "kurrentsim")
		require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\necho no room >&2\nexit 1\n"), 0o700))
		err := run(t.Context(), []string{"--kurrentsim", program, "--only", asked}, &bytes.Buffer{}, &bytes.Buffer{})
		require.ErrorContains(t, err, "no room")
	})
	t.Run("fails if a pattern leaves nothing to ask", func(t *testing.T) {
		t.Parallel()
		err := run(t.Context(), []string{"--url", "kurrentdb://127.0.0.1:1", "--only", "no such probe"}, &bytes.Buffer{}, &bytes.Buffer{})
		require.ErrorContains(t, err, "no such probe")
	})
	for name, args := range map[string][]string{
		"refuses to ask nothing":         {},
		"refuses two servers":            {"--url", "kurrentdb://127.0.0.1:1", "--kurrentsim", "kurrentsim"},
		"refuses a silence of no length": {"--kurrentsim", "kurrentsim", "--quiet", "0"},
		"refuses a bad pattern":          {"--kurrentsim", "kurrentsim", "--only", "("},
		"refuses arguments":              {"--kurrentsim", "kurrentsim", "more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, config.ExitConfiguration, config.ExitCode(run(t.Context(), args, &bytes.Buffer{}, &bytes.Buffer{})))
		})
	}
}

func TestSession(t *testing.T) {
	t.Parallel()
	t.Run("finds no difference where there is none", func(t *testing.T) {
		t.Parallel()
		s, stdout := newSession(t)
		require.NoError(t, s.run(t.Context()))
		require.Empty(t, stdout.String())
	})
	t.Run("leaves a server alone that holds streams of its users, unless they may be thrown away", func(t *testing.T) {
		t.Parallel()
		s, _ := newSession(t)
		require.NoError(t, s.run(t.Context()), "there is none yet")
		require.ErrorContains(t, s.run(t.Context()), "holds streams of its users, such as")
		s.options.throwaway = true
		require.NoError(t, s.run(t.Context()))
	})
	t.Run("asks nothing about rights without a second user", func(t *testing.T) {
		t.Parallel()
		s, _ := newSession(t)
		s.options.only = nil
		require.NotContains(t, s.names(), "access.log")
		require.Contains(t, s.names(), versionProbe)
		s.options.second.Name = "plain"
		require.Contains(t, s.names(), "access.log")
	})
	t.Run("reports an answer that changed, with both answers", func(t *testing.T) {
		t.Parallel()
		s, stdout := newSession(t)
		s.change(t, "append.absent.any", "append", map[string]any{"revision": 7.0, "position": "P1"})
		require.ErrorContains(t, s.run(t.Context()), "1 answers are not")
		require.Equal(t, "append.absent.any: append\n  real {\"revision\":7}\n  here {\"revision\":0}\n", stdout.String())
	})
	t.Run("accepts a difference that is deliberate", func(t *testing.T) {
		t.Parallel()
		s, stdout := newSession(t)
		s.change(t, "append.absent.any", "append", "something else")
		s.meant = reasons{{Probe: "append.absent.any", Step: "append"}: "a test"}
		require.NoError(t, s.run(t.Context()))
		require.Empty(t, stdout.String())
	})
	t.Run("lists the differences of a server of another version without failing", func(t *testing.T) {
		t.Parallel()
		s, stdout := newSession(t)
		s.change(t, "append.absent.any", "append", "something else")
		s.change(t, versionProbe, "version", "99.1.0")
		require.NoError(t, s.run(t.Context()))
		require.Contains(t, stdout.String(), "append.absent.any: append\n")
	})
	t.Run("fails for a server whose version is not known", func(t *testing.T) {
		t.Parallel()
		s, _ := newSession(t)
		for _, answer := range []any{map[string]any{"code": "Unavailable"}, "not known"} {
			require.False(t, s.otherVersion(transcript.Transcript{versionProbe: {{Label: "version", Answer: answer}}}))
		}
		require.False(t, s.otherVersion(transcript.Transcript{}))
	})
}

func TestJudge(t *testing.T) {
	t.Parallel()
	key := transcript.Key{Probe: "p", Step: "s"}
	real := transcript.Transcript{"p": {{Label: "s", Answer: "a"}, {Label: "t", Answer: "b"}}}
	same := transcript.Transcript{"p": {{Label: "s", Answer: "a"}, {Label: "t", Answer: "b"}}}
	t.Run("does not count a probe that the real transcript lacks", func(t *testing.T) {
		t.Parallel()
		v := judge(real, transcript.Transcript{"other": {{Label: "s", Answer: "x"}}}, reasons{})
		require.Zero(t, v.compared)
		require.Empty(t, v.probes())
	})
	t.Run("finds a deliberate difference that is none", func(t *testing.T) {
		t.Parallel()
		v := judge(real, same, reasons{key: "a test"})
		require.Equal(t, []transcript.Key{key}, v.ended)
		require.Equal(t, []string{"p"}, v.probes())
	})
	t.Run("leaves an entry alone whose probe was not asked", func(t *testing.T) {
		t.Parallel()
		require.Empty(t, judge(real, transcript.Transcript{}, reasons{key: "a test"}).ended)
	})
	t.Run("excuses the listed step alone", func(t *testing.T) {
		t.Parallel()
		v := judge(real, transcript.Transcript{"p": {{Label: "s", Answer: "x"}, {Label: "t", Answer: "y"}}}, reasons{key: "a test"})
		require.Len(t, v.found, 1)
		require.Equal(t, "p: t", v.found[0].String())
		require.Equal(t, 1, v.accepted)
	})
}

func TestDeliberateDifferences(t *testing.T) {
	t.Parallel()
	t.Run("are of probes that the transcript has", func(t *testing.T) {
		t.Parallel()
		real, err := realTranscript()
		require.NoError(t, err)
		for key := range deliberate() {
			require.Contains(t, real, key.Probe)
		}
	})
	t.Run("are few, and have a reason", func(t *testing.T) {
		t.Parallel()
		require.LessOrEqual(t, len(deliberate()), 15)
		for key, reason := range deliberate() {
			require.NotEmpty(t, reason, key.String())
		}
	})
}

// testSession asks a kurrentsim in this process a few questions. What the real server
// said, a test may change.
type testSession struct{ *session }

func newSession(t *testing.T) (testSession, *bytes.Buffer) {
	t.Helper()
	server, err := kurrentsim.Start(kurrentsim.Options{Version: realVersion})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	real, err := realTranscript()
	require.NoError(t, err)
	var stdout bytes.Buffer
	return testSession{&session{
		options: options{url: server.URL(), only: regexp.MustCompile(asked), quiet: 50 * time.Millisecond, parallel: 4},
		real:    real, meant: reasons{}, stdout: &stdout, stderr: &bytes.Buffer{},
	}}, &stdout
}

// change replaces what the real server answered.
func (s testSession) change(t *testing.T, probe, step string, answer any) {
	t.Helper()
	for i := range s.real[probe] {
		if s.real[probe][i].Label == step {
			s.real[probe][i].Answer = answer
			return
		}
	}
	t.Fatalf("there is no step %s in %s", step, probe)
}
