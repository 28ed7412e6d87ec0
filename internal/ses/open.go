package ses

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"orderflow/internal/config"
)

const (
	defaultTimeout = 10 * time.Second
	maxDial        = 5 * time.Second  // an address that does not answer by then will not
	idleConnection = 20 * time.Second // shorter than any peer's: a connection it closes as we write would make a mail unknown
)

// Config says in whose name to send. Region, credentials and endpoint come from AWS's own variables and files.
type Config struct {
	From             string        // one address of an identity that SES has verified, with a display name or without
	ConfigurationSet string        // optional: where SES publishes what became of a mail
	Timeout          time.Duration // for one mail from end to end, getting credentials included; 0 is 10 s
}

// Open checks the settings, all at once as a *config.Error, and makes a Mailer. It does not call SES.
func Open(ctx context.Context, c Config) (*Mailer, error) { return open(ctx, c) }

func open(ctx context.Context, c Config, extra ...func(*awsconfig.LoadOptions) error) (*Mailer, error) {
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	from, faults := check(c)
	settings, err := awsconfig.LoadDefaultConfig(ctx, append(extra, awsconfig.WithHTTPClient(httpClient(c.Timeout)))...)
	if err != nil {
		faults = append(faults, config.Fault{Name: "AWS_*", Problem: "the AWS SDK refuses its environment or its shared configuration files"})
		return nil, &config.Error{Faults: faults}
	}
	client := sesv2.NewFromConfig(settings, func(o *sesv2.Options) {
		// SES has no token to recognise a repeated call by: only the caller, who keeps the ledger, may send again.
		o.Retryer = aws.NopRetryer{}
		o.HTTPClient = watchedClient{o.HTTPClient}
	})
	faults = append(faults, checkClient(client.Options())...)
	if len(faults) > 0 {
		return nil, &config.Error{Faults: faults}
	}
	m := &Mailer{client: client, from: from, timeout: c.Timeout}
	if c.ConfigurationSet != "" {
		m.configurationSet = aws.String(c.ConfigurationSet)
	}
	return m, nil
}

func check(c Config) (from string, faults []config.Fault) {
	from, err := sender(c.From)
	if err != nil {
		faults = append(faults, config.Fault{Name: "EMAIL_FROM", Problem: err.Error()})
	}
	if len(c.ConfigurationSet) > 64 || strings.ContainsFunc(c.ConfigurationSet, func(r rune) bool { return !isTagRune(r) }) {
		faults = append(faults, config.Fault{Name: "EMAIL_CONFIGURATION_SET", Problem: "must be at most 64 of A-Z a-z 0-9 _ -"})
	}
	return from, faults
}

func checkClient(o sesv2.Options) (faults []config.Fault) {
	if o.Region == "" {
		faults = append(faults, config.Fault{Name: "AWS_REGION", Problem: "is required"})
	}
	if o.BaseEndpoint == nil {
		return faults
	}
	endpoint, err := url.Parse(*o.BaseEndpoint)
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "http" && endpoint.Scheme != "https" {
		faults = append(faults, config.Fault{Name: "AWS_ENDPOINT_URL_SESV2", Problem: "must be a URL such as https://host"})
	}
	return faults
}

// httpClient bounds every step of an exchange. It stays the SDK's own type, because AWS_CA_BUNDLE is honoured with no other.
func httpClient(timeout time.Duration) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithTimeout(timeout).
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = min(maxDial, timeout) }).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout = min(maxDial, timeout)
			t.IdleConnTimeout = idleConnection
		})
}
