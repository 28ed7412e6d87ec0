package rpc_test

import (
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim/access"
	"orderflow/dev/kurrentsim/rpc"
)

// oneUser accepts carla, with any password but an empty one.
type oneUser struct{}

func (oneUser) Authenticate(name, password string) (*access.User, bool) {
	return &access.User{Name: name}, name == "carla" && password != ""
}

// noLists is a log without access control lists.
type noLists struct{}

func (noLists) ACL(string) *access.List   { return nil }
func (noLists) Defaults() access.Defaults { return access.Defaults{} }

func TestGuard(t *testing.T) {
	t.Parallel()
	guard := &rpc.Guard{Users: oneUser{}, Lists: noLists{}}
	w := newRawClient(t, 0, guard.Interceptors()...)
	for name, c := range map[string]struct {
		authorization string
		stream        string
		code          codes.Code
		trailer       []string
	}{
		"lets a user in":                           {"Basic Y2FybGE6eA==", "s", codes.OK, nil},
		"denies with the trailer of the refusal":   {"Basic Y2FybGE6eA==", "$s", codes.PermissionDenied, []string{"access-denied"}},
		"refuses a wrong password without one":     {"Basic Y2FybGE6", "s", codes.Unauthenticated, nil},
		"takes no credentials for anonymous":       {"", "s", codes.PermissionDenied, []string{"access-denied"}},
		"takes another scheme for anonymous":       {"Bearer x", "s", codes.PermissionDenied, []string{"access-denied"}},
		"takes malformed credentials likewise":     {"Basic x", "s", codes.PermissionDenied, []string{"access-denied"}},
		"takes a name without a colon likewise":    {"Basic Y2FybGE=", "s", codes.PermissionDenied, []string{"access-denied"}},
		"denies a deletion of a stream's metadata": {"Basic Y2FybGE6eA==", "$$s", codes.PermissionDenied, []string{"access-denied"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if c.authorization != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, "authorization", c.authorization)
			}
			var trailer metadata.MD
			_, err := w.streams.Tombstone(ctx, &streams.TombstoneReq{Options: &streams.TombstoneReq_Options{
				StreamIdentifier:       stream(c.stream),
				ExpectedStreamRevision: &streams.TombstoneReq_Options_Any{Any: &shared.Empty{}},
			}}, grpc.Trailer(&trailer))
			require.Equal(t, c.code, status.Code(err), "%v", err)
			require.Equal(t, c.trailer, trailer.Get("exception"))
		})
	}
}

func TestGuard_DeniesEachAppendOfABatch(t *testing.T) {
	t.Parallel()
	guard := &rpc.Guard{Users: oneUser{}, Lists: noLists{}}
	w := newRawClient(t, 0, guard.Interceptors()...)
	as := func(authorization string) batchCall {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", authorization)
		call, err := w.streams.BatchAppend(ctx)
		require.NoError(t, err)
		return batchCall{t, call}
	}
	carla := as("Basic Y2FybGE6eA==")
	for range 2 { // the first message of the call, and a later one
		denied := batchOf("$s", nil)
		carla.send(denied)
		carla.refused(denied, codes.PermissionDenied, "AccessDenied", &shared.AccessDenied{})
		allowed := batchOf("s", nil)
		carla.send(allowed)
		require.NotNil(t, carla.answered(allowed).GetSuccess())
	}
	anonymous, denied := as("Bearer x"), batchOf("s", nil)
	anonymous.send(denied)
	anonymous.refused(denied, codes.PermissionDenied, "AccessDenied", &shared.AccessDenied{})
	wrong := as("Basic Y2FybGE6")
	wrong.send(batchOf("s", nil))
	_, err := wrong.Recv()
	require.Equal(t, codes.Unauthenticated, status.Code(err), "%v", err)
}
