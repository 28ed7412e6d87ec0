package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"orderflow/dev/devserver"
	"orderflow/dev/opstest"
	"orderflow/internal/postgres"
)

const (
	waitLong = 90 * time.Second // generous: on an idle machine it happens soon
	waitTick = 10 * time.Millisecond
)

var (
	cluster *devserver.Postgres // shared by most tests, each with its own database and slot
	scratch string              // a directory shared by all tests
)

func TestMain(m *testing.M) {
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "orderflow-publisher-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	scratch = dir
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cluster, err = devserver.StartPostgres(ctx, devserver.PostgresOptions{Dir: filepath.Join(dir, "postgres"), Fast: true, Settings: map[string]string{
		"max_replication_slots": "100", "max_wal_senders": "50",
	}})
	if err != nil {
		return 1, err
	}
	if err := errors.Join(makeTemplate(ctx), opstest.Build(ctx, dir, "../orderflow")); err != nil {
		return 1, err
	}
	code := m.Run()
	stopping, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	if err := cluster.Stop(stopping); err != nil {
		return 1, err
	}
	return code, goleak.Find()
}

func makeTemplate(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, cluster.URL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "CREATE DATABASE migrated"); err != nil {
		return err
	}
	return postgres.Migrate(ctx, databaseURL("migrated"), slog.New(slog.DiscardHandler))
}

func databaseURL(name string) string {
	address, err := url.Parse(cluster.URL)
	if err != nil {
		panic(err)
	}
	address.Path = "/" + name
	return address.String()
}
