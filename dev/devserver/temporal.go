package devserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/temporalclient"
)

// temporalStartTimeout bounds a start whose context has no end of its own: a machine under load takes longest.
const temporalStartTimeout = time.Minute

// TemporalOptions says where the Temporal development server keeps its state and how it is reached.
type TemporalOptions struct {
	CLIPath          string                    // the temporal program, as TemporalCLI finds it
	DBFile           string                    // keeps workflows over restarts; empty: in memory
	Port             int                       // on 127.0.0.1; 0: a free one
	UIPort           int                       // of the Web UI; 0: a free one
	Headless         bool                      // no Web UI
	Namespace        string                    // empty: default
	SearchAttributes temporal.SearchAttributes // the names and types to register; the values do not matter
	DynamicConfig    map[string]string         // settings of the server by name, such as limits; values in JSON
	LogFile          string                    // the server's log, appended to; empty: dropped
}

// Temporal is a running development server. Closed workflows are forgotten after a day, as in every namespace of it.
type Temporal struct {
	Address string // host and port of the gRPC service
	UI      string // URL of the Web UI; empty when headless
	PID     int

	process *Process
}

// StartTemporal starts the development server and returns when it takes calls and knows its namespace and search
// attributes. With a database file it goes on with what the file holds, also after a kill.
func StartTemporal(ctx context.Context, o TemporalOptions) (*Temporal, error) {
	ctx, cancel := context.WithTimeout(ctx, temporalStartTimeout)
	defer cancel()
	if o.Namespace == "" {
		o.Namespace = client.DefaultNamespace
	}
	for attempt := 1; ; attempt++ {
		server, err := startTemporal(ctx, o)
		// The server looks for more free ports of its own, for its internal services, and may lose any of them to somebody
		// else before it listens.
		if err == nil || attempt == 3 || !errors.Is(err, errEnded) {
			return server, err
		}
	}
}

// Stop ends the server in good order, or by force when the context ends first.
func (t *Temporal) Stop(ctx context.Context) error {
	return t.process.Stop(ctx, syscall.SIGINT, syscall.SIGKILL)
}

// Done is closed when the server has ended, asked or not.
func (t *Temporal) Done() <-chan struct{} { return t.process.Done() }

// Err says how the server ended, nil after an orderly stop. It waits for the end.
func (t *Temporal) Err() error { return t.process.Err() }

// Signal sends a signal to the server. A server that has ended takes none, which is no error.
func (t *Temporal) Signal(s syscall.Signal) { t.process.Signal(s) }

// errEnded marks a server that ended by itself while it started.
var errEnded = errors.New("it ended")

func startTemporal(ctx context.Context, o TemporalOptions) (*Temporal, error) {
	ports := []*int{&o.Port, &o.UIPort}
	if o.Headless {
		ports = ports[:1]
	}
	for _, port := range ports {
		if err := settlePort(port); err != nil {
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
	server := &Temporal{Address: loopback(o.Port), PID: process.PID, process: process}
	if !o.Headless {
		server.UI = "http://" + loopback(o.UIPort)
	}
	if err := server.awaitReady(ctx, o); err != nil {
		return nil, fmt.Errorf("start temporal: %w", err)
	}
	return server, nil
}

// settlePort chooses a free port where any will do, and makes sure of one that was asked for.
func settlePort(port *int) (err error) {
	if *port == 0 {
		*port, err = FreePort()
		return err
	}
	return requireFree(*port)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// arguments gives the command line. The write-ahead log without a sync for each transaction is about three times as fast
// and loses nothing when the process is killed; a power cut may cost the last moments, which a development server can
// afford.
func (o TemporalOptions) arguments() []string {
	args := []string{
		"server", "start-dev", "--ip", "127.0.0.1", "--port", strconv.Itoa(o.Port), "--namespace", o.Namespace,
		"--log-format", "json", "--log-level", "warn",
		"--dynamic-config-value", "frontend.enableServerVersionCheck=false", // it would ask a server on the internet
	}
	for name, value := range o.DynamicConfig {
		args = append(args, "--dynamic-config-value", name+"="+value)
	}
	if o.Headless {
		args = append(args, "--headless")
	} else {
		args = append(args, "--ui-port", strconv.Itoa(o.UIPort))
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

// awaitReady waits until the server answers for its namespace, and stops a server that never does.
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
			return fmt.Errorf("%w: %w%s", errEnded, namedEnd(t.process.Err()), lastWords(o.LogFile))
		case <-ctx.Done():
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			return errors.Join(fmt.Errorf("not ready: %w: %w", context.Cause(ctx), err), t.Stop(stopping))
		}
	}
}

// probe makes one attempt to see the namespace with all its search attributes, which come a moment after the port.
func (t *Temporal) probe(ctx context.Context, o TemporalOptions) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := client.DialContext(ctx, client.Options{HostPort: t.Address, Namespace: o.Namespace, Logger: quiet{}})
	if err != nil {
		return err
	}
	defer c.Close()
	return temporalclient.CheckNamespace(ctx, c, o.Namespace, o.SearchAttributes)
}

// quiet drops what the SDK would log about a server that is not up yet.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
