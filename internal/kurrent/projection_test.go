package kurrent_test

import (
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/projections"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

func TestProjection(t *testing.T) {
	t.Parallel()
	const method = "/event_store.client.projections.Projections/Statistics"
	for name, c := range map[string]struct {
		response string
		code     codes.Code
		want     kurrent.ProjectionStatus
		err      error
	}{
		"runs":                         {response: "Running", want: kurrent.ProjectionRunning},
		"is stopped":                   {response: "Stopped", want: kurrent.ProjectionStopped},
		"was aborted":                  {response: "Aborted/Stopped", want: kurrent.ProjectionStopped},
		"is faulted and still enabled": {response: "Faulted (Enabled)", want: kurrent.ProjectionFaulted},
		"is being started":             {response: "Preparing", want: kurrent.ProjectionChanges},
		"is absent with its service":   {code: codes.Unimplemented, want: kurrent.ProjectionAbsent},
		"is absent by its name":        {code: codes.NotFound, want: kurrent.ProjectionAbsent},
		"may not be asked about":       {code: codes.PermissionDenied, err: kurrent.ErrAccessDenied},
		"does not respond":             {code: codes.Unavailable, err: kurrent.ErrUnavailable},
		"has an empty response":        {want: kurrent.ProjectionAbsent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartStub(t, func(called string, stream grpc.ServerStream) error {
				switch {
				case called != method:
					return status.Error(codes.Internal, called)
				case c.code != codes.OK:
					return status.Error(c.code, "no")
				case c.response == "":
					return nil
				}
				return stream.SendMsg(&projections.StatisticsResp{Details: &projections.StatisticsResp_Details{Status: c.response}})
			}))
			got, err := client.Projection(t.Context(), kurrent.ByCategory)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.want, got)
		})
	}
}
