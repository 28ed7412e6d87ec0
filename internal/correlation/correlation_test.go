package correlation_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/correlation"
)

const (
	traceID     = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanID      = "00f067aa0ba902b7"
	traceparent = "00-" + traceID + "-" + spanID + "-01"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		metadata string
		want     correlation.Trace
	}{
		"returns both ids":                            {`{"$correlationId":"cart-1:a","traceparent":"` + traceparent + `"}`, correlation.Trace{CorrelationID: "cart-1:a", Traceparent: traceparent}},
		"keeps the flags":                             {`{"traceparent":"00-` + traceID + "-" + spanID + `-00"}`, correlation.Trace{Traceparent: "00-" + traceID + "-" + spanID + "-00"}},
		"clears flags that its version lacks":         {`{"traceparent":"00-` + traceID + "-" + spanID + `-ff"}`, correlation.Trace{Traceparent: "00-" + traceID + "-" + spanID + "-03"}},
		"reads the ids of KurrentDB's clients":        {`{"$traceId":"` + traceID + `","$spanId":"` + spanID + `"}`, correlation.Trace{Traceparent: traceparent}},
		"prefers the traceparent":                     {`{"traceparent":"` + traceparent + `","$traceId":"` + strings.Repeat("a", 32) + `","$spanId":"` + spanID + `"}`, correlation.Trace{Traceparent: traceparent}},
		"falls back from an invalid traceparent":      {`{"traceparent":"x","$traceId":"` + traceID + `","$spanId":"` + spanID + `"}`, correlation.Trace{Traceparent: traceparent}},
		"leaves out a mistyped id, keeps the others":  {`{"$correlationId":7,"traceparent":"` + traceparent + `"}`, correlation.Trace{Traceparent: traceparent}},
		"leaves out an id that could hold an address": {`{"$correlationId":"mira@example.com"}`, correlation.Trace{}},
		"leaves out an id with a line feed":           {`{"$correlationId":"cart-1\n"}`, correlation.Trace{}},
		"leaves out an id of 129 bytes":               {`{"$correlationId":"` + strings.Repeat("x", 129) + `"}`, correlation.Trace{}},
		"leaves out a trace id of zeros":              {`{"traceparent":"00-` + strings.Repeat("0", 32) + "-" + spanID + `-01"}`, correlation.Trace{}},
		"leaves out a span id of zeros":               {`{"traceparent":"00-` + traceID + "-" + strings.Repeat("0", 16) + `-01"}`, correlation.Trace{}},
		"leaves out an unknown version":               {`{"traceparent":"ff-` + traceID + "-" + spanID + `-01"}`, correlation.Trace{}},
		"leaves out half of a context":                {`{"$traceId":"` + traceID + `"}`, correlation.Trace{}},
		"has none without metadata":                   {"", correlation.Trace{}},
		"has none of another JSON type":               {`["$correlationId"]`, correlation.Trace{}},
		"has none of broken JSON":                     {`{"$correlationId":"a"`, correlation.Trace{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, correlation.Decode([]byte(c.metadata)))
		})
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	trace := correlation.Trace{CorrelationID: "cart-1", Traceparent: traceparent}
	metadata := trace.Metadata("event-1")
	require.JSONEq(t, `{"$correlationId":"cart-1","$causationId":"event-1","traceparent":"`+traceparent+`",
		"$traceId":"`+traceID+`","$spanId":"`+spanID+`"}`, string(metadata))
	require.Equal(t, trace, correlation.Decode(metadata))

	unsampled := strings.TrimSuffix(traceparent, "01") + "00"
	require.JSONEq(t, `{"traceparent":"`+unsampled+`"}`, string(correlation.Trace{Traceparent: unsampled}.Metadata("")),
		"a client of KurrentDB would take $traceId for that of a recorded span")

	require.JSONEq(t, `{"$correlationId":"order-1"}`, string(correlation.Trace{}.Or("order-1").Metadata("")))
	require.Equal(t, trace, trace.Or("order-1"))
	require.Equal(t, traceID, trace.TraceID())
	require.Empty(t, correlation.Trace{Traceparent: "x"}.TraceID())
}
