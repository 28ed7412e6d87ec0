package kurrent_test

import (
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/projections"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/internal/kurrent"
)

func TestProjection(t *testing.T) {
	t.Parallel()
	const method = "/event_store.client.projections.Projections/Statistics"
	for name, c := range map[string]struct {
		answer string
		code   codes.Code
		want   kurrent.ProjectionStatus
		err    error
	}{
		"runs":                         {answer: "Running", want: kurrent.ProjectionRunning},
		"is stopped":                   {answer: "Stopped", want: kurrent.ProjectionStopped},
		"is faulted and still enabled": {answer: "Faulted (Enabled)", want: kurrent.ProjectionFaulted},
		"is being started":             {answer: "Preparing", want: kurrent.ProjectionChanges},
		"is absent with its service":   {code: codes.Unimplemented, want: kurrent.ProjectionAbsent},
		"is absent by its name":        {code: codes.NotFound, want: kurrent.ProjectionAbsent},
		"may not be asked about":       {code: codes.PermissionDenied, err: kurrent.ErrAccessDenied},
		"does not answer":              {code: codes.Unavailable, err: kurrent.ErrUnavailable},
		"is described by nothing":      {want: kurrent.ProjectionAbsent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := open(t, startStub(t, func(called string, stream grpc.ServerStream) error {
				switch {
				case called != method:
					return status.Error(codes.Internal, called)
				case c.code != codes.OK:
					return status.Error(c.code, "no")
				case c.answer == "":
					return nil
				}
				return stream.SendMsg(&projections.StatisticsResp{Details: &projections.StatisticsResp_Details{Status: c.answer}})
			}))
			got, err := client.Projection(t.Context(), kurrent.ByCategory)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.want, got)
		})
	}
}
