package kurrent_test

import (
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

func TestCloseProjected(t *testing.T) {
	t.Parallel()
	s := newSecureServer(t)
	linked := func(user string) (string, error) {
		read, err := kurrentsimtest.OfficialClient(t, s.server.URLFor(user)).
			ReadStream(t.Context(), "$ce-order", kurrentdb.ReadStreamOptions{ResolveLinkTos: true}, 1)
		require.NoError(t, err)
		defer read.Close()
		found, err := read.Recv()
		if err != nil {
			return "", err
		}
		return string(found.Event.Data), nil
	}
	closed, err := s.admin.CloseProjected(t.Context(), "$ce-order", []string{"starter"})
	require.NoError(t, err)
	require.False(t, closed, "without an event, only administrators may read it")

	s.write("$settings", "$settings", `{"$userStreamAcl":{"$r":"$admins"}}`)
	s.write("order-1", "order-placed", `{"name":"Ada"}`)
	body, err := linked("other")
	require.NoError(t, err)
	require.Contains(t, body, "Ada", "the link leads to an event that the user may not read")

	open, err := s.admin.OpenProjected(t.Context(), "$ce-order", []string{"starter"})
	require.NoError(t, err)
	require.True(t, open)
	for _, want := range []bool{true, false} {
		closed, err = s.admin.CloseProjected(t.Context(), "$ce-order", []string{"starter"})
		require.NoError(t, err)
		require.Equal(t, want, closed)
	}
	require.Equal(t, map[string]any{"$r": []any{"$admins", "starter"}, "$mr": "$all"}, s.metadata("$ce-order")["$acl"])
	_, err = linked("other")
	require.ErrorContains(t, err, "Access Denied")
	_, err = s.clientOf("other").Join(t.Context(), "$ce-order", "fulfillment", 1)
	require.ErrorIs(t, err, kurrent.ErrAccessDenied)
	_, err = linked("starter")
	require.NoError(t, err)

	s.write("order-2", "order-placed", `{"name":"Bob"}`)
	_, err = linked("other")
	require.ErrorContains(t, err, "Access Denied", "the projection opens it with the first event only")
	_, err = s.clientOf("starter").CloseProjected(t.Context(), "$et-order-placed", nil)
	require.ErrorIs(t, err, kurrent.ErrAccessDenied)
}

// A user who knows the id that an order was placed with reads the order there, unless the
// projection is stopped.
func TestByCorrelation_OpensOrders(t *testing.T) {
	t.Parallel()
	s := newSecureServer(t)
	s.write("$settings", "$settings", `{"$userStreamAcl":{"$r":"$admins"}}`)
	place := func(id, correlation string) {
		t.Helper()
		event := kurrentsimtest.Event("order-placed", `{"name":"Ada"}`)
		event.Metadata = []byte(`{"$correlationId":"` + correlation + `"}`)
		_, err := s.admin.Append(t.Context(), id, kurrent.NoStream(), event)
		require.NoError(t, err)
	}
	linked := func(correlation string) error {
		read, err := kurrentsimtest.OfficialClient(t, s.server.URLFor("other")).
			ReadStream(t.Context(), "$bc-"+correlation, kurrentdb.ReadStreamOptions{ResolveLinkTos: true}, 1)
		require.NoError(t, err)
		defer read.Close()
		found, err := read.Recv()
		if err == nil {
			require.Contains(t, string(found.Event.Data), "Ada")
		}
		return err
	}
	place("order-1", "a")
	require.NoError(t, linked("a"))
	require.NoError(t, s.server.StopProjection(t.Context(), kurrent.ByCorrelation))
	place("order-2", "b")
	require.ErrorContains(t, linked("b"), "Access Denied")
	require.NoError(t, linked("a"), "what it opened stays open")
}
