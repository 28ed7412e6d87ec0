package temporalclient

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
)

// loadOptions reads the environment and the profile as the SDK does. Unlike the SDK it
// reads the files of certificates again for each connection, and the API key in a file
// again for calls. It accepts a file that holds nothing but the key.
func loadOptions(logger *slog.Logger) (client.Options, error) {
	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{})
	if err != nil {
		return client.Options{}, err
	}
	source := keySource(profile)
	if source != nil {
		if profile.APIKey, err = source(); err != nil {
			return client.Options{}, err
		}
	}
	options, err := profile.ToClientOptions(envconfig.ToClientOptionsRequest{})
	if err != nil {
		return client.Options{}, err
	}
	if source != nil {
		key := &apiKey{read: source, logger: logger, last: profile.APIKey}
		options.Credentials = client.NewAPIKeyDynamicCredentials(key.get)
	}
	if settings := options.ConnectionOptions.TLS; settings != nil && len(settings.Certificates) > 0 && profile.TLS.ClientCertPath != "" {
		files := &certificateFiles{
			cert: profile.TLS.ClientCertPath, key: profile.TLS.ClientKeyPath, logger: logger, last: &settings.Certificates[0],
		}
		settings.GetClientCertificate = files.read
	}
	if settings := options.ConnectionOptions.TLS; settings != nil && settings.RootCAs != nil && profile.TLS.ServerCACertPath != "" &&
		!settings.InsecureSkipVerify {
		host := hostOf(cmp.Or(options.ConnectionOptions.Authority, options.HostPort, client.DefaultHostPort))
		verifyWith(settings, profile.TLS.ServerCACertPath, host, logger)
	}
	return options, nil
}

// certificateFiles are the files of a client certificate, which another program renews
// before it expires. Connections that are open keep the certificate that they were made
// with.
type certificateFiles struct {
	cert, key string
	logger    *slog.Logger

	mu   sync.Mutex
	last *tls.Certificate
}

// read returns the certificate in the files, or the last one while they cannot be read,
// or do not belong together because only one has been replaced yet.
func (f *certificateFiles) read(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		f.logger.Warn("client certificate for Temporal cannot be read, using the previous one", "file", f.cert, "error", err)
		return f.last, nil
	}
	f.last = &found
	return f.last, nil
}

// explainTLS adds the setting to look at to the error of a TLS handshake. It does not
// call it a fault of the configuration: the certificate that is to be renewed may be the
// server's.
func explainTLS(err error) error {
	if err == nil {
		return nil
	}
	switch text := err.Error(); {
	case strings.Contains(text, "remote error: tls: "): // the server's alert
		return fmt.Errorf("the server refuses the client certificate (TEMPORAL_TLS_CLIENT_CERT_PATH) or the handshake: %w", err)
	case strings.Contains(text, "x509: "):
		return fmt.Errorf("the server's certificate is refused (TEMPORAL_TLS_SERVER_CA_CERT_PATH, TEMPORAL_TLS_SERVER_NAME): %w", err)
	case strings.Contains(text, "tls: first record does not look like a TLS handshake"):
		return fmt.Errorf("the server speaks no TLS, which TEMPORAL_TLS, a certificate or TEMPORAL_API_KEY turns on: %w", err)
	case strings.Contains(text, "error reading server preface"), strings.Contains(text, "broken pipe"):
		// The server's alert may be lost behind what the client has already sent.
		return fmt.Errorf("the server closed a new connection, as one does that demands TLS or another client certificate "+
			"(TEMPORAL_TLS, TEMPORAL_TLS_CLIENT_CERT_PATH): %w", err)
	default:
		return err
	}
}
