package ses

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"orderflow/internal/config"
)

const (
	defaultTimeout = 10 * time.Second
	maxDial        = 5 * time.Second  // an address that does not respond by then never will
	idleConnection = 20 * time.Second // shorter than any peer's: if the peer closed a connection during a write, the outcome would be unknown
)

// Config says who sends. Region, credentials and endpoint come from AWS's own variables
// and files.
type Config struct {
	From             string               // address of an identity that SES has verified, with an optional display name
	ReplyTo          string               // optional: the address that replies go to, with an optional display name
	Templates        string               // optional: a folder of templates, see LoadTemplates
	ConfigurationSet string               // optional: where SES publishes delivery events
	Timeout          time.Duration        // for one email from end to end, including fetching credentials; 0: 10s
	TracerProvider   trace.TracerProvider // nil: no tracing
}

// Open checks the settings and returns a Mailer. Its error is a *config.Error with all
// faults. It does not call SES.
func Open(ctx context.Context, c Config) (*Mailer, error) { return open(ctx, c) }

func open(ctx context.Context, c Config, extra ...func(*awsconfig.LoadOptions) error) (*Mailer, error) {
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	from, replyTo, faults := checkConfig(c)
	templates, err := LoadTemplates(c.Templates)
	if invalid, ok := errors.AsType[*config.Error](err); ok {
		faults = append(faults, invalid.Faults...)
	}
	settings, err := awsconfig.LoadDefaultConfig(ctx, append(extra, awsconfig.WithHTTPClient(httpClient(c.Timeout)))...)
	if err != nil {
		faults = append(faults, config.Fault{Name: "AWS_*", Problem: "the AWS SDK rejects its environment or its shared configuration files"})
		return nil, &config.Error{Faults: faults}
	}
	client := sesv2.NewFromConfig(settings, func(o *sesv2.Options) {
		// SES has no idempotency token: only the caller, who keeps the ledger, may send again.
		o.Retryer = aws.NopRetryer{}
		o.HTTPClient = tracingClient{o.HTTPClient}
	})
	faults = append(faults, checkClient(client.Options())...)
	if len(faults) > 0 {
		return nil, &config.Error{Faults: faults}
	}
	if c.TracerProvider == nil {
		c.TracerProvider = noop.NewTracerProvider()
	}
	m := &Mailer{client: client, from: from, templates: templates, timeout: c.Timeout, tracer: c.TracerProvider.Tracer("orderflow/ses")}
	if replyTo != "" {
		m.replyTo = []string{replyTo}
	}
	if c.ConfigurationSet != "" {
		m.configurationSet = aws.String(c.ConfigurationSet)
	}
	return m, nil
}

func checkConfig(c Config) (from, replyTo string, faults []config.Fault) {
	from, err := formatSender(c.From)
	if err != nil {
		faults = append(faults, config.Fault{Name: "EMAIL_FROM", Problem: err.Error()})
	}
	if c.ReplyTo != "" {
		if replyTo, err = formatSender(c.ReplyTo); err != nil {
			faults = append(faults, config.Fault{Name: "EMAIL_REPLY_TO", Problem: err.Error()})
		}
	}
	if len(c.ConfigurationSet) > 64 || strings.ContainsFunc(c.ConfigurationSet, func(r rune) bool { return !isTagRune(r) }) {
		faults = append(faults, config.Fault{Name: "EMAIL_CONFIGURATION_SET", Problem: "must be at most 64 of A-Z a-z 0-9 _ -"})
	}
	return from, replyTo, faults
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

// httpClient bounds every step of an exchange. It keeps the SDK's own client type,
// because AWS_CA_BUNDLE works only with that type.
func httpClient(timeout time.Duration) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithTimeout(timeout).
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = min(maxDial, timeout) }).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout = min(maxDial, timeout)
			t.IdleConnTimeout = idleConnection
		})
}
