package config

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Tracing holds the standard variables of OpenTelemetry that decide whether and where
// spans are exported. The SDK and its exporter read the others themselves.
type Tracing struct {
	Disabled       bool   `env:"OTEL_SDK_DISABLED"`
	Exporter       string `env:"OTEL_TRACES_EXPORTER"`
	Endpoint       string `env:"OTEL_EXPORTER_OTLP_ENDPOINT"`
	TracesEndpoint string `env:"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"`
	Protocol       string `env:"OTEL_EXPORTER_OTLP_PROTOCOL"`
	TracesProtocol string `env:"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"`
	Sampler        string `env:"OTEL_TRACES_SAMPLER"`
	SamplerArg     string `env:"OTEL_TRACES_SAMPLER_ARG"`
	HeadersFile    string `env:"OTEL_EXPORTER_OTLP_HEADERS_FILE"` // before Headers, whose reader forgets it
	Headers        string `env:"OTEL_EXPORTER_OTLP_HEADERS" orFile:"OTEL_EXPORTER_OTLP_HEADERS_FILE"`
	TracesHeaders  string `env:"OTEL_EXPORTER_OTLP_TRACES_HEADERS"`
}

// The exporters and protocols that a binary has.
const (
	exporterOTLP = "otlp"
	exporterNone = "none"
	protocolGRPC = "grpc"
	protocolHTTP = "http/protobuf"
)

// On reports whether spans are exported: an exporter or its endpoint is set, and neither
// the exporter nor the SDK is switched off.
func (t Tracing) On() bool {
	if t.Disabled || t.Exporter == exporterNone {
		return false
	}
	return t.Exporter != "" || t.Endpoint != "" || t.TracesEndpoint != ""
}

// GRPC reports whether spans are exported by gRPC and not, as is the default, by HTTP.
func (t Tracing) GRPC() bool {
	if t.TracesProtocol != "" {
		return t.TracesProtocol == protocolGRPC
	}
	return t.Protocol == protocolGRPC
}

// HeaderMap returns the headers of the exporter's requests. Those for traces alone take
// precedence.
func (t Tracing) HeaderMap() (map[string]string, error) {
	return parseHeaders(cmp.Or(t.TracesHeaders, t.Headers))
}

// parseHeaders parses key=value with commas between, percent-encoded.
func parseHeaders(text string) (map[string]string, error) {
	headers := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, encoded, found := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(encoded))
		name = strings.TrimSpace(name)
		if !found || err != nil || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, errors.New("must be key=value, percent-encoded, with commas between")
		}
		headers[name] = value
	}
	return headers, nil
}

// Validate reports values that the SDK would ignore. It does not quote the headers, which
// hold a secret.
func (t Tracing) Validate() []Fault {
	if t.Disabled || t.Exporter == exporterNone {
		return nil
	}
	faults := t.validateSampler()
	if !slices.Contains([]string{"", exporterOTLP, exporterNone}, t.Exporter) {
		faults = append(faults, Fault{Name: "OTEL_TRACES_EXPORTER", Problem: "must be otlp or none"})
	}
	for name, protocol := range map[string]string{
		"OTEL_EXPORTER_OTLP_PROTOCOL": t.Protocol, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": t.TracesProtocol,
	} {
		if !slices.Contains([]string{"", protocolGRPC, protocolHTTP}, protocol) {
			faults = append(faults, Fault{Name: name, Problem: "must be grpc or http/protobuf"})
		}
	}
	for name, endpoint := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": t.Endpoint, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": t.TracesEndpoint,
	} {
		if u, err := url.Parse(endpoint); endpoint != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			faults = append(faults, Fault{Name: name, Problem: "must be a URL such as http://localhost:4318"})
		}
	}
	for name, headers := range map[string]string{
		"OTEL_EXPORTER_OTLP_HEADERS": t.Headers, "OTEL_EXPORTER_OTLP_TRACES_HEADERS": t.TracesHeaders,
	} {
		if _, err := parseHeaders(headers); err != nil {
			faults = append(faults, Fault{Name: name, Problem: err.Error()})
		}
	}
	return faults
}

// validateSampler reports a sampler without which the SDK would sample every trace.
func (t Tracing) validateSampler() []Fault {
	var faults []Fault
	known := []string{
		"", "always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
	}
	if !slices.Contains(known, strings.ToLower(t.Sampler)) {
		faults = append(faults, Fault{
			Name: "OTEL_TRACES_SAMPLER", Problem: "must be always_on, always_off or traceidratio, or one of them after parentbased_",
		})
	}
	if ratio, err := strconv.ParseFloat(t.SamplerArg, 64); t.SamplerArg != "" && (err != nil || ratio < 0 || ratio > 1) {
		faults = append(faults, Fault{Name: "OTEL_TRACES_SAMPLER_ARG", Problem: "must be between 0 and 1, such as 0.1"})
	}
	return faults
}
