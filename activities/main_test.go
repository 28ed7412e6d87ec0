package activities_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orderflow/dev/devserver"
	"orderflow/internal/postgres"
)

// cluster is one PostgreSQL for all tests. Each test has its own database, copied from a
// migrated template.
var cluster *devserver.Postgres

const templateDatabase = "migrated"

func TestMain(m *testing.M) {
	clearAWSEnvironment()
	if script := os.Getenv(childVariable); script != "" {
		os.Exit(runChild(script))
	}
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
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

func runTests(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "orderflow-activities-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if cluster, err = devserver.StartPostgres(ctx, devserver.PostgresOptions{Dir: dir, Fast: true}); err != nil {
		return 1, err
	}
	if err := createDatabase(ctx, templateDatabase, "template1"); err != nil {
		return 1, err
	}
	if err := postgres.Migrate(ctx, databaseURL(templateDatabase, ""), slog.New(slog.DiscardHandler)); err != nil {
		return 1, err
	}
	code := m.Run()
	stopping, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	return code, cluster.Stop(stopping)
}

func createDatabase(ctx context.Context, name, template string) error {
	conn, err := pgx.Connect(ctx, cluster.URL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+template)
	return err
}

// databaseURL returns the URL of a database of the cluster, through the proxy if one is
// given.
func databaseURL(name, proxy string) string {
	address, err := url.Parse(cluster.URL)
	if err != nil {
		panic(err)
	}
	address.Path = "/" + name
	if proxy != "" {
		address.Host = proxy
	}
	return address.String()
}
