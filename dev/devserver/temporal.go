package devserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/temporalclient"
)

// temporalStartTimeout limits a start whose context has no deadline: a machine under load
// takes longest.
const temporalStartTimeout = time.Minute

// TemporalOptions configure where the Temporal development server keeps its state and how
// clients reach it.
type TemporalOptions struct {
	CLIPath          string                    // the temporal program, as returned by TemporalCLI
	DBFile           string                    // keeps workflows over restarts; empty means in memory
	Port             int                       // on 127.0.0.1; 0 means a free one
	UIPort           int                       // of the Web UI; 0 means a free one
	Headless         bool                      // no Web UI
	CodecEndpoint    string                    // URL where the Web UI has payloads decrypted; empty means nowhere
	Namespace        string                    // empty means default
	SearchAttributes temporal.SearchAttributes // the names and types to register; the values do not matter
	DynamicConfig    map[string]string         // settings of the server by name, such as limits; values in JSON. Fairness is on by default
	LogFile          string                    // the server's log, appended to; empty drops it
}

// Temporal is a running development server. It deletes closed workflows after a day, as
// in all its namespaces.
type Temporal struct {
	Address string // host and port of the gRPC service
	UI      string // URL of the Web UI; empty if headless
	PID     int

	process *Process
}

// StartTemporal starts the development server and returns once it accepts calls and knows
// its namespace and search attributes. With a database file it continues with the file's
// content, also after a kill.
func StartTemporal(ctx context.Context, o TemporalOptions) (*Temporal, error) {
	ctx, cancel := context.WithTimeout(ctx, temporalStartTimeout)
	defer cancel()
	if o.Namespace == "" {
		o.Namespace = client.DefaultNamespace
	}
	for attempt := 1; ; attempt++ {
		server, err := startTemporal(ctx, o)
		// The server looks for more free ports for its internal services, and may lose
		// any of them to another process before it listens.
		if err == nil || attempt == 3 || !errors.Is(err, errEnded) {
			return server, err
		}
	}
}

// Stop ends the server in an orderly way, or by force if the context ends first.
func (t *Temporal) Stop(ctx context.Context) error {
	return t.process.Stop(ctx, syscall.SIGINT, syscall.SIGKILL)
}

// Done returns a channel that is closed when the server has ended, whether or not it was
// stopped.
func (t *Temporal) Done() <-chan struct{} { return t.process.Done() }

// Err waits for the server's end and returns how it ended. It returns nil after an
// orderly stop.
func (t *Temporal) Err() error { return t.process.Err() }

// Signal sends a signal to the server. It does nothing if the server has ended.
func (t *Temporal) Signal(s syscall.Signal) { t.process.Signal(s) }

// errEnded marks a server that ended while it started.
var errEnded = errors.New("it ended")

func startTemporal(ctx context.Context, o TemporalOptions) (*Temporal, error) {
	ports := []*int{&o.Port, &o.UIPort}
	if o.Headless {
		ports = ports[:1]
	}
	for _, port := range ports {
		if err := choosePort(port); err != nil {
			return nil, fmt.Errorf("start temporal: %w", err)
		}
	}
	process, err := Start(ctx, Command{
		Name: "temporal", Path: o.CLIPath, Args: o.arguments(), LogFile: o.LogFile,
		Env: serverEnvironment(), // TEMPORAL_ variables and profiles are for clients
	})
	if err != nil {
		return nil, err
	}
	server := &Temporal{Address: Loopback(o.Port), PID: process.PID, process: process}
	if !o.Headless {
		server.UI = "http://" + Loopback(o.UIPort)
	}
	if err := server.awaitReady(ctx, o); err != nil {
		return nil, fmt.Errorf("start temporal: %w", err)
	}
	return server, nil
}

// choosePort chooses a free port if none was requested, and checks that a requested one
// is free.
func choosePort(port *int) (err error) {
	if *port == 0 {
		*port, err = FreePort()
		return err
	}
	return requireFree(*port)
}

// arguments returns the command line. The write-ahead log without a sync for each
// transaction is about three times as fast and loses nothing when the process is killed.
// A power cut may lose the last moments, which is acceptable for a development server.
func (o TemporalOptions) arguments() []string {
	args := []string{
		"server", "start-dev", "--ip", "127.0.0.1", "--port", strconv.Itoa(o.Port), "--namespace", o.Namespace,
		"--log-format", "json", "--log-level", "warn",
	}
	for name, value := range o.dynamicConfig() {
		args = append(args, "--dynamic-config-value", name+"="+value)
	}
	if o.Headless {
		args = append(args, "--headless")
	} else {
		args = append(args, "--ui-port", strconv.Itoa(o.UIPort), "--ui-codec-endpoint", o.CodecEndpoint)
	}
	if o.DBFile != "" {
		args = append(args, "--db-filename", o.DBFile,
			"--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal")
	}
	for key := range o.SearchAttributes.GetUntypedValues() {
		args = append(args, "--search-attribute", key.GetName()+"="+key.GetValueType().String())
	}
	return args
}

// dynamicConfig returns the settings of the server. The caller's replace the defaults.
//
// Partitions divide the work of a task queue among servers. Fairness and priority keys hold
// within one partition, so a single server has one.
func (o TemporalOptions) dynamicConfig() map[string]string {
	config := map[string]string{
		"frontend.enableServerVersionCheck":    "false", // it would ask a server on the internet
		"matching.numTaskqueueReadPartitions":  "1",
		"matching.numTaskqueueWritePartitions": "1",
		temporalclient.FairnessSetting:         "true",
	}
	maps.Copy(config, o.DynamicConfig)
	return config
}

// awaitReady waits until the server knows its namespace, and stops a server that never
// does.
func (t *Temporal) awaitReady(ctx context.Context, o TemporalOptions) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := t.probe(ctx, o)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-t.Done():
			return fmt.Errorf("%w: %w%s", errEnded, describeEnd(t.process.Err()), logTail(o.LogFile))
		case <-ctx.Done():
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			return errors.Join(fmt.Errorf("not ready: %w: %w", context.Cause(ctx), err), t.Stop(stopping))
		}
	}
}

// probe makes one attempt to see the namespace with all its search attributes, which
// appear a moment after the port.
func (t *Temporal) probe(ctx context.Context, o TemporalOptions) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := client.DialContext(ctx, client.Options{HostPort: t.Address, Namespace: o.Namespace, Logger: silentLogger{}})
	if err != nil {
		return err
	}
	defer c.Close()
	return temporalclient.CheckNamespace(ctx, c, o.Namespace, o.SearchAttributes)
}

// silentLogger drops what the SDK would log about a server that is not up yet.
type silentLogger struct{}

func (silentLogger) Debug(string, ...any) {}
func (silentLogger) Info(string, ...any)  {}
func (silentLogger) Warn(string, ...any)  {}
func (silentLogger) Error(string, ...any) {}
