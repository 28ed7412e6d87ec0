package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"

	"orderflow/dev/devserver"
	"orderflow/dev/programs"
	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

// foreignTimeout bounds connecting to an external Temporal.
const foreignTimeout = 30 * time.Second

func (s *Stack) startTemporal(ctx context.Context) error {
	if s.external.temporal {
		if path, err := exec.LookPath("temporal"); err == nil {
			s.Description.TemporalCLI = path
		}
		return nil
	}
	findCLI := devserver.TemporalCLI
	if s.options.Download {
		findCLI = devserver.TemporalCLIOrDownload
	}
	cli, err := findCLI(ctx, s.options.BinDir, s.options.Progress)
	if err != nil {
		return err
	}
	file := s.Log(temporalPart)
	rotate(file)
	server, err := devserver.StartTemporal(ctx, devserver.TemporalOptions{
		CLIPath: cli, DBFile: filepath.Join(s.options.Dir, temporalFile), Port: s.ports.temporal, UIPort: s.ports.temporalUI,
		SearchAttributes: workflows.SearchAttributes(), LogFile: file, CodecEndpoint: s.Description.CodecURL,
	})
	if err != nil {
		return err
	}
	s.Description.TemporalCLI, s.Description.TemporalAddress, s.Description.TemporalUI = cli, server.Address, server.UI
	s.add(part{name: temporalPart, pid: server.PID, log: file, done: server.Done(), err: server.Err, stop: server.Stop})
	return nil
}

func (s *Stack) startPostgres(ctx context.Context) error {
	if s.external.postgres {
		return nil
	}
	file := s.Log(postgresPart)
	rotate(file)
	server, err := devserver.StartPostgres(ctx, devserver.PostgresOptions{
		Dir: filepath.Join(s.options.Dir, postgresDir), Port: s.ports.postgres, LogFile: file, Progress: s.options.Progress,
	})
	if err != nil {
		return err
	}
	s.Description.PostgresURL = server.URL
	s.add(part{name: postgresPart, pid: server.PID, log: file, done: server.Done(), err: server.Err, stop: server.Stop})
	return nil
}

func (s *Stack) startKurrentsim(ctx context.Context) error {
	if s.external.kurrentdb {
		return nil
	}
	address := devserver.Loopback(s.ports.kurrentdb)
	return s.startBinary(ctx, binary{
		name:    kurrentsimPart,
		args:    []string{"--listen", address, "--data", filepath.Join(s.options.Dir, kurrentdbDir)},
		address: address, ready: programs.SimulatorReady,
	})
}

func (s *Stack) startSessim(ctx context.Context) error {
	if s.external.ses {
		return nil
	}
	address := devserver.Loopback(s.ports.ses)
	return s.startBinary(ctx, binary{
		name:    sessimPart,
		args:    []string{"--listen", address, "--data", filepath.Join(s.options.Dir, inboxFile)},
		address: address, ready: programs.SimulatorReady,
	})
}

// ensureSearchAttributes creates the search attributes that an external Temporal lacks.
// Our own was started with them.
func (s *Stack) ensureSearchAttributes(ctx context.Context) error {
	if !s.external.temporal {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, foreignTimeout)
	defer cancel()
	options, err := s.TemporalOptions()
	if err != nil {
		return err
	}
	c, err := temporalclient.Dial(ctx, options, slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("%s: %w", options.HostPort, err)
	}
	defer c.Close()
	namespace := options.Namespace
	if namespace == "" {
		namespace = client.DefaultNamespace
	}
	hidden, _ := strconv.ParseBool(s.environment["ORDER_TOTAL_HIDDEN"]) // the binaries report an invalid value
	return devserver.EnsureSearchAttributes(ctx, c, namespace, workflows.RequiredAttributes(hidden))
}

// TemporalOptions returns the options that the binaries connect with. They disable
// logging.
func (s *Stack) TemporalOptions() (client.Options, error) {
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{EnvLookup: s.environment})
	if err != nil {
		return client.Options{}, errors.Join(errors.New("invalid TEMPORAL_ variables"), err)
	}
	options.Logger = log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	return options, nil
}
