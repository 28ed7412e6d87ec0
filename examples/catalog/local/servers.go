package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"orderflow/dev/devserver"
	"orderflow/dev/kurrentsim"
)

const stopTimeout = 20 * time.Second

// servers are the servers that the catalog needs.
type servers struct {
	events   *kurrentsim.Server
	temporal *devserver.Temporal
	postgres *devserver.Postgres
}

// startServers starts the servers on free ports. They keep their data in the folder.
func startServers(ctx context.Context, folder string, progress io.Writer) (s *servers, err error) {
	_, _ = fmt.Fprintln(progress, "starting Temporal, KurrentDB's simulator and PostgreSQL")
	s = &servers{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	if s.postgres, err = devserver.StartPostgres(ctx, devserver.PostgresOptions{
		Dir: filepath.Join(folder, "postgres"), Progress: progress,
	}); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if s.events, err = kurrentsim.Start(kurrentsim.Options{DataDir: filepath.Join(folder, "kurrentdb")}); err != nil {
		return nil, fmt.Errorf("kurrentsim: %w", err)
	}
	cli, err := devserver.TemporalCLIOrDownload(ctx, "", progress)
	if err != nil {
		return nil, err
	}
	s.temporal, err = devserver.StartTemporal(ctx, devserver.TemporalOptions{
		CLIPath: cli, DBFile: filepath.Join(folder, "temporal.db"), LogFile: filepath.Join(folder, "temporal.log"),
	})
	if err != nil {
		return nil, fmt.Errorf("temporal: %w", err)
	}
	return s, nil
}

// stop stops the servers that were started.
func (s *servers) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var errs []error
	if s.temporal != nil {
		errs = append(errs, s.temporal.Stop(ctx))
	}
	if s.events != nil {
		errs = append(errs, s.events.Stop(ctx))
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Stop(ctx))
	}
	return errors.Join(errs...)
}
