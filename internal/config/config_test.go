package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/config"
)

type settings struct {
	config.Log
	config.Ops
	config.Shutdown
	URL         string        `env:"STORE_URL,required" orFile:"STORE_URL_FILE"`
	Token       string        `env:"TOKEN_FILE,file"`
	Concurrency int           `env:"CONCURRENCY" envDefault:"64"`
	Hold        time.Duration `env:"HOLD"`
	Plaintext   bool          `env:"PLAINTEXT"`
	Endpoint    url.URL       `env:"ENDPOINT"`
	Nested      struct {
		Timeout time.Duration `env:"NESTED_TIMEOUT" envDefault:"1s"`
		URL     string        `env:"STORE_URL" orFile:"STORE_URL_FILE"`
	}
}

func (s settings) Validate() []config.Fault {
	if s.Concurrency < 1 {
		return []config.Fault{{Name: "CONCURRENCY", Problem: "must be at least 1"}}
	}
	return nil
}

func TestLoad_Defaults(t *testing.T) {
	t.Parallel()
	got, err := config.Load[settings]([]string{"STORE_URL= postgres://x \n", "CONCURRENCY=", "OPS_ADDR=  "})
	require.NoError(t, err)
	require.Equal(t, "postgres://x", got.URL)
	require.Equal(t, 64, got.Concurrency)
	require.Equal(t, slog.LevelInfo, got.Level)
	require.Equal(t, config.LogText, got.Format)
	require.Equal(t, 25*time.Second, got.Timeout)
	require.Equal(t, time.Second, got.Nested.Timeout)
	require.Empty(t, got.Addr)
}

func TestLoad_IgnoresProcessEnvironment(t *testing.T) {
	t.Setenv("STORE_URL", "from the process")
	_, err := config.Load[settings](nil)
	require.EqualError(t, err, "STORE_URL: is required")
}

func TestLoad(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("sesame"), 0o600))
	got, err := config.Load[settings]([]string{
		"STORE_URL=x", "TOKEN_FILE=" + file, "CONCURRENCY=7", "HOLD=30m", "PLAINTEXT=true", "LOG_LEVEL=debug",
		"LOG_FORMAT=json", "OPS_ADDR=127.0.0.1:0", "SHUTDOWN_TIMEOUT=1m", "NESTED_TIMEOUT=2s", "ENDPOINT=http://h:1/",
	})
	require.NoError(t, err)
	require.Equal(t, "sesame", got.Token)
	require.Equal(t, 7, got.Concurrency)
	require.Equal(t, 30*time.Minute, got.Hold)
	require.True(t, got.Plaintext)
	require.Equal(t, slog.LevelDebug, got.Level)
	require.Equal(t, config.LogJSON, got.Format)
	require.Equal(t, "127.0.0.1:0", got.Addr)
	require.Equal(t, time.Minute, got.Timeout)
	require.Equal(t, 2*time.Second, got.Nested.Timeout)
	require.Equal(t, "h:1", got.Endpoint.Host)
}

func TestLoad_FaultsWithoutValues(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, variable, want string }{
		{"a required variable that is blank", "STORE_URL= ", "STORE_URL: is required"},
		{"text for a number", "CONCURRENCY=hunter2", "CONCURRENCY: must be a whole number in range"},
		{"a number that is too large", "CONCURRENCY=99999999999", "CONCURRENCY: must be a whole number in range"},
		{"a number that the binary refuses", "CONCURRENCY=0", "CONCURRENCY: must be at least 1"},
		{"a duration without unit", "HOLD=30", "HOLD: must be a duration such as 30s or 5m"},
		{"a boolean in words", "PLAINTEXT=hunter2", "PLAINTEXT: must be true or false"},
		{"an unknown level", "LOG_LEVEL=hunter2", "LOG_LEVEL: must be debug, info, warn or error"},
		{"an unknown format", "LOG_FORMAT=hunter2", "LOG_FORMAT: must be text or json"},
		{"a malformed URL", "ENDPOINT=:hunter2", "ENDPOINT: cannot be read"},
		{"an address without port", "OPS_ADDR=hunter2", "OPS_ADDR: must be host:port"},
		{"an address with a bad port", "OPS_ADDR=:hunter2", "OPS_ADDR: must end in a port from 0 to 65535"},
		{"no time to stop", "SHUTDOWN_TIMEOUT=0s", "SHUTDOWN_TIMEOUT: must be above zero and at most an hour"},
		{"a secret where a file is asked for", "TOKEN_FILE=hunter2", "TOKEN_FILE: names a file that cannot be read: no such file or directory"},
		{"two fields of one name", "NESTED_TIMEOUT=hunter2", "NESTED_TIMEOUT: must be a duration such as 30s or 5m"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load[settings]([]string{"STORE_URL=x", test.variable})
			require.EqualError(t, err, test.want)
			require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
		})
	}
}

func TestLoad_FromFile(t *testing.T) {
	t.Parallel()
	t.Run("takes the content without the blanks around it", func(t *testing.T) {
		t.Parallel()
		got, err := config.Load[settings]([]string{"STORE_URL= ", "STORE_URL_FILE=" + write(t, " postgres://x \n")})
		require.NoError(t, err)
		require.Equal(t, "postgres://x", got.URL)
		require.Equal(t, "postgres://x", got.Nested.URL)
	})
	tests := []struct{ name, path, want string }{
		{"no such file", "/hunter2", "names a file that cannot be read: no such file or directory"},
		{"a folder", t.TempDir(), "names a file that cannot be read: is a directory"},
		{"an empty file", write(t, " \n"), "names a file that is empty"},
		{"a large file", write(t, strings.Repeat("x", 64<<10+1)), "names a file that cannot be read: it has more than 65536 bytes"},
	}
	for _, test := range tests {
		t.Run("refuses "+test.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load[settings]([]string{"STORE_URL_FILE=" + test.path})
			require.EqualError(t, err, "STORE_URL_FILE: "+test.want)
			require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
		})
	}
	t.Run("refuses a file and a value", func(t *testing.T) {
		t.Parallel()
		_, err := config.Load[settings]([]string{"STORE_URL=x", "STORE_URL_FILE=" + write(t, "x"), "CONCURRENCY=0"})
		require.EqualError(t, err, "CONCURRENCY: must be at least 1\nSTORE_URL_FILE: must not be set together with STORE_URL")
	})
}

func TestLoad_AllFaultsSorted(t *testing.T) {
	t.Parallel()
	_, err := config.Load[settings]([]string{"SHUTDOWN_TIMEOUT=x", "CONCURRENCY=-1", "LOG_LEVEL=x", "OPS_ADDR=x"})
	require.EqualError(t, err, "CONCURRENCY: must be at least 1\n"+
		"LOG_LEVEL: must be debug, info, warn or error\n"+
		"OPS_ADDR: must be host:port\n"+
		"SHUTDOWN_TIMEOUT: must be a duration such as 30s or 5m\n"+
		"STORE_URL: is required")
}

func TestLoad_EmbeddedCheckReportedOnce(t *testing.T) {
	t.Parallel()
	type onlyShutdown struct{ config.Shutdown }
	_, err := config.Load[onlyShutdown]([]string{"SHUTDOWN_TIMEOUT=-1s"})
	require.EqualError(t, err, "SHUTDOWN_TIMEOUT: must be above zero and at most an hour")
}

func TestLoad_UnparseableField(t *testing.T) {
	t.Parallel()
	type broken struct {
		Channel chan int `env:"CHANNEL"`
	}
	_, err := config.Load[broken]([]string{"CHANNEL=x"})
	require.Error(t, err)
	require.Equal(t, config.ExitFailure, config.ExitCode(err))
}

func TestReport(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		code int
		text string
	}{
		{"nothing for a clean stop", nil, 0, ""},
		{"a failure", errors.New("connect: refused"), 1, "connect: refused\n"},
		{"configuration bare", fmt.Errorf("start: %w", config.Invalid("--listen", "must be %s", "host:port")), 2, "--listen: must be host:port\n"},
		{"a fault on one line", config.Invalid("A", "first\nsecond"), 2, "A: first second\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			require.Equal(t, test.code, config.Report(&out, test.err))
			require.Equal(t, test.text, out.String())
		})
	}
}

func TestLogger_LevelAndFormat(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	config.Log{Level: slog.LevelWarn, Format: config.LogJSON}.Logger(&out).Info("quiet")
	require.Empty(t, out.String())
	config.Log{Level: slog.LevelWarn, Format: config.LogJSON}.Logger(&out).Warn("heard")
	require.Contains(t, out.String(), `"msg":"heard"`)
	out.Reset()
	config.Log{}.Logger(&out).Info("plain")
	require.Contains(t, out.String(), "msg=plain")
}

func TestMerge(t *testing.T) {
	t.Parallel()
	err := config.Merge(nil, config.Invalid("B", "is required"), config.Invalid("A", "is odd"), config.Invalid("B", "is not a URL"), errors.New("other"))
	require.EqualError(t, err, "A: is odd\nB: is required")
	require.NoError(t, config.Merge(nil, nil))
	require.EqualError(t, config.Merge(nil, errors.New("other")), "other")
}

// write returns a file with a content.
func write(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "url")
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}

// Drivers read the files of connection strings again.
func TestLoad_KeepsNamesOfFiles(t *testing.T) {
	t.Parallel()
	events, rows := write(t, "kurrentdb://events"), write(t, "postgres://rows")
	got, err := config.Load[struct {
		config.KurrentDB
		Rows config.Postgres
	}]([]string{"KURRENTDB_URL_FILE=" + events, "POSTGRES_URL_FILE=" + rows})
	require.NoError(t, err)
	require.Equal(t, config.KurrentDB{URLFile: events, URL: "kurrentdb://events"}, got.KurrentDB)
	require.Equal(t, config.Postgres{URLFile: rows, URL: "postgres://rows"}, got.Rows)
	require.NoError(t, os.WriteFile(rows, []byte(" postgres://later\n"), 0o600))
	again, err := config.ReadFile(rows)
	require.NoError(t, err)
	require.Equal(t, "postgres://later", again)
	for _, c := range []struct{ path, want string }{{write(t, " \n"), "the file is empty"}, {t.TempDir() + "/secret", "no such file or directory"}} {
		_, err = config.ReadFile(c.path)
		require.EqualError(t, err, c.want)
	}
}
