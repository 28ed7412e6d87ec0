package kurrent_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/access"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

const parkedOfGroup = "$persistentsubscription-$ce-order::fulfillment-parked"

// secureServer is a server with users, with a client for each of them.
type secureServer struct {
	*testing.T
	server *kurrentsimtest.Secure
	admin  *kurrent.Client
}

func newSecureServer(t *testing.T) *secureServer {
	t.Helper()
	server := kurrentsimtest.StartSecure(t, kurrentsim.Options{},
		kurrentsimtest.User("starter"), kurrentsimtest.User("ops", access.Operations), kurrentsimtest.User("other"))
	return &secureServer{T: t, server: server, admin: kurrentsimtest.OpenClient(t, server.URLFor(kurrentsimtest.Admin))}
}

func (s *secureServer) clientOf(user string) *kurrent.Client {
	return kurrentsimtest.OpenClient(s.T, s.server.URLFor(user))
}

// write appends an event to a stream.
func (s *secureServer) write(stream, eventType, body string) {
	s.Helper()
	_, err := s.admin.Append(s.Context(), stream, kurrent.Any(), kurrent.NewEvent{ID: uuid.New(), Type: eventType, Data: []byte(body)})
	require.NoError(s, err)
}

// metadata reads the newest metadata of a stream, or nil if there is none.
func (s *secureServer) metadata(stream string) (fields map[string]any) {
	s.Helper()
	err := s.admin.ReadStream(s.Context(), "$$"+stream, 0, 0, func(e kurrent.Event) error {
		fields = nil
		return json.Unmarshal(e.Data, &fields)
	})
	if err != nil {
		require.ErrorIs(s, err, kurrent.ErrNotFound)
	}
	return fields
}

func (s *secureServer) grant(user string) []kurrent.Grant {
	s.Helper()
	grants, err := s.admin.GrantGroup(s.Context(), "$ce-order", "fulfillment", user)
	require.NoError(s, err)
	return grants
}

func TestGrantGroup(t *testing.T) {
	t.Parallel()
	read := []kurrent.Right{kurrent.RightRead}
	all := []kurrent.Right{kurrent.RightRead, kurrent.RightMetaRead, kurrent.RightMetaWrite}
	t.Run("lets a user join and see parked events, before the first event", func(t *testing.T) {
		t.Parallel()
		s := newSecureServer(t)
		starter := s.clientOf("starter")
		_, _, err := s.admin.EnsureGroup(t.Context(), kurrent.GroupSettings{
			Stream: "$ce-order", Group: "fulfillment", MessageTimeout: kurrentsimtest.WaitLimit, BufferSize: 10,
		})
		require.NoError(t, err)
		_, err = starter.Join(t.Context(), "$ce-order", "fulfillment", 1)
		require.ErrorIs(t, err, kurrent.ErrAccessDenied)
		_, err = starter.ParkedBoundary(t.Context(), "$ce-order", "fulfillment")
		require.ErrorIs(t, err, kurrent.ErrAccessDenied)

		require.Equal(t, []kurrent.Grant{{"$ce-order", read}, {parkedOfGroup, all}}, s.grant("starter"))

		sub, err := starter.Join(t.Context(), "$ce-order", "fulfillment", 1)
		require.NoError(t, err)
		sub.Close()
		boundary, err := starter.ParkedBoundary(t.Context(), "$ce-order", "fulfillment")
		require.NoError(t, err)
		require.NoError(t, starter.DropParked(t.Context(), "$ce-order", "fulfillment", boundary, 0))
		_, err = s.clientOf("other").Join(t.Context(), "$ce-order", "fulfillment", 1)
		require.ErrorIs(t, err, kurrent.ErrAccessDenied)
	})
	t.Run("writes nothing twice", func(t *testing.T) {
		t.Parallel()
		s := newSecureServer(t)
		s.grant("starter")
		before := s.metadata(parkedOfGroup)
		require.Equal(t, []kurrent.Grant{{"$ce-order", nil}, {parkedOfGroup, nil}}, s.grant("starter"))
		require.Equal(t, before, s.metadata(parkedOfGroup))
	})
	t.Run("waits for the end of a replay only if a right is missing", func(t *testing.T) {
		t.Parallel()
		s := newSecureServer(t)
		s.grant("starter")
		replaying := s.metadata(parkedOfGroup)
		replaying["orderflow-replay"] = map[string]any{}
		body, err := json.Marshal(replaying)
		require.NoError(t, err)
		s.write("$$"+parkedOfGroup, "$metadata", string(body))
		require.Equal(t, []kurrent.Grant{{"$ce-order", nil}, {parkedOfGroup, nil}}, s.grant("starter"))
		_, err = s.admin.GrantGroup(t.Context(), "$ce-order", "fulfillment", "other")
		require.ErrorIs(t, err, kurrent.ErrReplaying)
		require.Equal(t, replaying, s.metadata(parkedOfGroup))
	})
	t.Run("keeps the other fields of the metadata", func(t *testing.T) {
		t.Parallel()
		s := newSecureServer(t)
		s.write("$$"+parkedOfGroup, "$metadata", `{"$tb":3,"own":{"a":1},"$acl":{"$r":"$ops","$w":[]}}`)
		s.grant("starter")
		require.Equal(t, map[string]any{
			"$tb": 3.0, "own": map[string]any{"a": 1.0}, "$acl": map[string]any{
				"$r": []any{"$ops", "starter"}, "$w": []any{},
				"$mr": []any{"$admins", "starter"}, "$mw": []any{"$admins", "starter"},
			},
		}, s.metadata(parkedOfGroup))
	})
	t.Run("does not change who may read a stream that everyone may read", func(t *testing.T) {
		t.Parallel()
		s := newSecureServer(t)
		s.write("order-1", "placed", `{}`)
		require.Equal(t, kurrent.Grant{Stream: "$ce-order"}, s.grant("starter")[0])
		require.Equal(t, map[string]any{"$r": "$all", "$mr": "$all"}, s.metadata("$ce-order")["$acl"])
	})
	t.Run("keeps the rights granted by $settings", func(t *testing.T) {
		t.Parallel()
		s := newSecureServer(t)
		s.write("$settings", "$settings", `{"$systemStreamAcl":{"$r":["$admins","auditors"]}}`)
		s.grant("starter")
		require.Equal(t, []any{"$admins", "auditors", "starter"}, s.metadata("$ce-order")["$acl"].(map[string]any)["$r"])
	})
	t.Run("does not narrow access to a user stream", func(t *testing.T) {
		t.Parallel()
		s := newSecureServer(t)
		grants, err := s.admin.GrantGroup(t.Context(), "orders", "fulfillment", "starter")
		require.NoError(t, err)
		require.Equal(t, kurrent.Grant{Stream: "orders"}, grants[0])
		require.Nil(t, s.metadata("orders"))
	})
	t.Run("is for administrators", func(t *testing.T) {
		t.Parallel()
		s := newSecureServer(t)
		for _, user := range []string{"starter", "ops"} {
			_, err := s.clientOf(user).GrantGroup(t.Context(), "$ce-order", "fulfillment", user)
			require.ErrorIs(t, err, kurrent.ErrAccessDenied)
		}
	})
}
