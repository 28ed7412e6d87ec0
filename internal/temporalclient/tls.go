package temporalclient

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"orderflow/internal/reread"
)

// loadOptions reads the environment and the profile as the SDK does. Unlike the SDK it
// reads the files of certificates again for each connection, and the API key in a file
// again for calls. It accepts a file that holds nothing but the key.
func loadOptions(logger *slog.Logger) (client.Options, error) {
	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{})
	if err != nil {
		return client.Options{}, err
	}
	key, err := apiKey(profile, logger)
	if err != nil {
		return client.Options{}, err
	}
	if key != nil {
		profile.APIKey = key.Get()
	}
	options, err := profile.ToClientOptions(envconfig.ToClientOptionsRequest{})
	if err != nil {
		return client.Options{}, err
	}
	if key != nil {
		options.Credentials = keyCredentials(key)
	}
	return options, renewCertificates(&options, profile, logger)
}

// renewCertificates makes new connections read the certificates' files again, because
// other programs renew them before they expire. Open connections keep the certificate that
// they were made with. While a certificate and its key do not belong together, because only
// one has been replaced yet, the previous ones are used.
func renewCertificates(options *client.Options, profile envconfig.ClientConfigProfile, logger *slog.Logger) error {
	settings := options.ConnectionOptions.TLS
	if settings == nil {
		return nil
	}
	if len(settings.Certificates) > 0 && profile.TLS.ClientCertPath != "" {
		pair, err := reread.Open(logger, parsePair, reread.File{Setting: "TEMPORAL_TLS_CLIENT_CERT_PATH", Path: profile.TLS.ClientCertPath},
			reread.File{Setting: "TEMPORAL_TLS_CLIENT_KEY_PATH", Path: profile.TLS.ClientKeyPath})
		if err != nil {
			return err
		}
		settings.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.Reread(), nil }
	}
	if settings.RootCAs == nil || profile.TLS.ServerCACertPath == "" || settings.InsecureSkipVerify {
		return nil
	}
	host := hostOf(cmp.Or(options.ConnectionOptions.Authority, options.HostPort, client.DefaultHostPort))
	return verifyWith(settings, profile.TLS.ServerCACertPath, host, logger)
}

func parsePair(contents [][]byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	return &pair, err
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
