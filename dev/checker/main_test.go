package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/checker/internal/facts"
	"orderflow/dev/checker/internal/judge"
)

func TestRun_ExitCode(t *testing.T) {
	t.Parallel()
	nowhere := []string{
		"KURRENTDB_URL=kurrentdb://127.0.0.1:1?tls=false", "KURRENTDB_ALLOW_PLAINTEXT=true",
		"POSTGRES_URL=postgres://u:p@127.0.0.1:1/d", "AWS_ENDPOINT_URL_SESV2=http://127.0.0.1:1",
	}
	tests := map[string]struct {
		args, environ []string
		code          int
		said          string
	}{
		"nothing is said about the stores": {code: exitArguments, said: "KURRENTDB_URL: is required\nPOSTGRES_URL: is required\nAWS_ENDPOINT_URL_SESV2: is required\n"},
		"an argument that is none":         {args: []string{"now"}, code: exitArguments, said: "arguments: unexpected \"now\"\n"},
		"a stack that is not there":        {args: []string{"--stack", "/no/such/file"}, code: exitArguments, said: "--stack: open /no/such/file: no such file or directory\n"},
		"plaintext that nobody allowed":    {environ: []string{nowhere[0], nowhere[2], nowhere[3]}, code: exitArguments, said: "KURRENTDB_URL: tls=false needs KURRENTDB_ALLOW_PLAINTEXT=true\n"},
		"stores that do not answer":        {environ: nowhere, code: exitUnreadable},
		"a span that is none": {args: []string{"--lost", "yesterday"}, code: exitArguments,
			said: "arguments: invalid value \"yesterday\" for flag -lost: must be two times such as 2025-01-31T09:00:00Z/2025-01-31T09:00:05Z\n"},
		"a list of the invariants": {args: []string{"--list"}, code: 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			err := run(t.Context(), append([]string{"--timeout", "20s"}, test.args...), test.environ, &stdout, &stderr)
			require.Equal(t, test.code, exitCode(err, &stderr), "%v", err)
			if test.said != "" {
				require.Equal(t, test.said, stderr.String())
			}
		})
	}
}

func TestSettings_StackFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "stack.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"temporalAddress":"t:1","kurrentdbURL":"kurrentdb://k:1?tls=false","postgresURL":"postgres://p","sesURL":"http://s"}`), 0o600))
	s, err := parse([]string{"--stack", file}, []string{"TEMPORAL_PROFILE=somebody-elses", "POSTGRES_URL=postgres://other"}, nil)
	require.NoError(t, err)
	require.Equal(t, "kurrentdb://k:1?tls=false", s.sources.KurrentURL)
	require.Equal(t, "postgres://p", s.sources.PostgresURL)
	require.Equal(t, "http://s", s.sources.InboxURL)
	require.Equal(t, "t:1", s.sources.Temporal["TEMPORAL_ADDRESS"])
	require.NotContains(t, s.sources.Temporal, "TEMPORAL_PROFILE")
}

func TestSettings_LostSpans(t *testing.T) {
	t.Parallel()
	s, err := parse([]string{
		"--list", "--rewound", "2025-01-31T11:00:00Z/2025-01-31T11:00:05Z", "--lost", "2025-01-31T09:00:00Z/2025-01-31T09:00:05Z", "--lost", "2025-01-31T10:00:00.5Z/2025-01-31T10:00:01Z",
	}, nil, nil)
	require.NoError(t, err)
	require.Len(t, s.sources.Rewound, 1)
	require.Len(t, s.sources.Lost, 2)
	require.Equal(t, 5*time.Second, s.sources.Lost[0].To.Sub(s.sources.Lost[0].From))
}

func TestReport_LimitsPrintedViolations(t *testing.T) {
	t.Parallel()
	var violations []judge.Violation
	for range 50 {
		violations = append(violations, judge.Violation{Invariant: "a"})
	}
	violations = append(violations, judge.Violation{Invariant: "b"})
	r := newReport(facts.New(), violations, 20)
	require.Len(t, r.Violations, 21)
	require.Equal(t, map[string]int64{"a": 50, "b": 1}, r.Invariants)
	require.Equal(t, int64(51), r.Counts["violations"])
}
