// Package temporalclient makes the Temporal client that every binary uses. It is
// configured by the SDK's own environment (TEMPORAL_ADDRESS and the like, or a profile),
// and uses the binary's logger and metrics. What is done with the client is left to the
// binaries.
package temporalclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/log"

	"orderflow/internal/backoff"
	"orderflow/internal/config"
	"orderflow/internal/ops"
	"orderflow/internal/payloadcodec"
)

// checkTimeout bounds one check that the server responds.
const checkTimeout = 5 * time.Second

// Options returns the client's options from the environment. It returns a *config.Error
// if a profile, certificate or key file cannot be used.
func Options(service string, payloads config.Payloads, logger *slog.Logger, metrics *ops.Metrics) (client.Options, error) {
	if faults := checkEnvironment(os.Getenv); len(faults) > 0 {
		return client.Options{}, &config.Error{Faults: faults}
	}
	options, err := loadOptions(logger)
	if fault, ok := errors.AsType[*config.Error](err); ok {
		return client.Options{}, fault
	}
	if err != nil {
		return client.Options{}, config.Invalid("TEMPORAL_*", "%v", err)
	}
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace // the client's own default, for requests that name the namespace
	}
	if err := encrypt(&options, payloads, logger); err != nil {
		return client.Options{}, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	options.Identity = fmt.Sprintf("%s@%s:%d", service, host, os.Getpid())
	options.Logger = log.NewStructuredLogger(logger)
	options.ConnectionOptions.GrpcCompression = Compression()
	options.MetricsHandler = opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter:                metrics.Meter("temporal-sdk-go"),
		OnError:              func(err error) { logger.Warn("recording metric failed", "error", err) },
		UseMonotonicCounters: true,
	})
	return options, nil
}

// encrypt makes the client encrypt payloads and failures if there is a key file.
func encrypt(options *client.Options, payloads config.Payloads, logger *slog.Logger) error {
	if payloads.KeysFile == "" {
		return nil
	}
	keys, err := payloadcodec.OpenKeys(payloads.KeysFile, logger)
	if err != nil {
		return err
	}
	options.DataConverter = payloadcodec.Converter(payloadcodec.New(keys))
	options.FailureConverter = payloadcodec.FailureConverter(options.DataConverter)
	return nil
}

// Compression returns that of the calls, which is none. Our messages are a kilobyte or
// two. Compressing them costs a tenth of a start's time, and for each call at once a
// compressor of almost a megabyte.
func Compression() client.GrpcCompression { return &client.GrpcCompressionNone{} }

// checkEnvironment reports what the SDK silently ignores: a boolean it cannot parse
// counts as not set, and a missing file as empty, which can mean plaintext although TLS
// was requested. A key with the line end of its file fails every call, like an outage.
func checkEnvironment(getenv func(string) string) []config.Fault {
	var faults []config.Fault
	for _, name := range []string{"TEMPORAL_TLS", "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION"} {
		if value := getenv(name); value != "" && !slices.Contains([]string{"0", "1", "true", "false"}, strings.ToLower(value)) {
			faults = append(faults, config.Fault{Name: name, Problem: "must be true or false"})
		}
	}
	if key := getenv("TEMPORAL_API_KEY"); key != "" && !isKey(key) {
		faults = append(faults, config.Fault{Name: "TEMPORAL_API_KEY", Problem: "must be one word, without blanks and line ends"})
	}
	faults = append(faults, checkKeyFile(getenv)...)
	for _, name := range []string{
		configFile, "TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_KEY_PATH", "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
	} {
		if path := getenv(name); path != "" {
			if _, err := os.Stat(path); err != nil {
				faults = append(faults, config.Fault{Name: name, Problem: "names a file that cannot be read"})
			}
		}
	}
	return faults
}

// Namespace returns the namespace that a client with these options uses.
func Namespace(options client.Options) string {
	return cmp.Or(options.Namespace, client.DefaultNamespace)
}

// Open returns a client that connects on its first call, so invalid settings are found
// before anything waits. It returns a *config.Error if the client cannot be made.
func Open(options client.Options) (client.Client, error) {
	c, err := client.NewLazyClient(options)
	if err != nil {
		return nil, config.Invalid("TEMPORAL_*", "%v", err)
	}
	return c, nil
}

// Dial opens a client and waits for the server until ctx ends. It returns a *config.Error
// if the server refuses the credentials, which waiting cannot fix.
func Dial(ctx context.Context, options client.Options, logger *slog.Logger) (client.Client, error) {
	c, err := Open(options)
	if err != nil {
		return nil, err
	}
	verify := Verify(c, Namespace(options))
	retry := backoff.Exponential{Min: 100 * time.Millisecond, Max: 5 * time.Second}
	for failures := 0; ; failures++ {
		if err = verify(ctx); err == nil {
			return c, nil
		}
		if !mayPass(err) {
			break
		}
		logger.Warn("waiting for Temporal", "address", options.HostPort, "error", err)
		if retry.Wait(ctx, failures) != nil {
			c.Close()
			return nil, fmt.Errorf("connect to Temporal: %w", err)
		}
	}
	c.Close()
	return nil, err
}

// Verify returns a check that the server responds and accepts the caller. It returns a
// *config.Error if the server refuses the credentials for the namespace. The health check
// alone is not enough: the server responds to it before it looks at credentials. Anything
// else that is wrong with the namespace is left to CheckNamespace.
func Verify(c client.Client, namespace string) func(context.Context) error {
	return func(ctx context.Context) error {
		err := Check(c)(ctx)
		if err == nil {
			if err = describeNamespace(ctx, c, namespace); !refusesCredentials(err) {
				return nil
			}
		}
		if refusesCredentials(err) {
			return config.Invalid("TEMPORAL_*", "the server refuses the credentials for namespace %s: %v", namespace, err)
		}
		return err
	}
}

// Dependency returns the server, for daemons to await.
func Dependency(c client.Client, namespace string) ops.Dependency {
	return ops.Dependency{Name: "temporal", Check: Verify(c, namespace), MayPass: mayPass}
}

// mayPass reports whether an error of Verify may clear by waiting.
func mayPass(err error) bool {
	_, refused := errors.AsType[*config.Error](err)
	return !refused
}

// Check returns a check that the server responds.
func Check(c client.Client) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		_, err := c.CheckHealth(ctx, &client.CheckHealthRequest{})
		return explainTLS(err)
	}
}
