package kurrentsim_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/access"
)

// metadata writes the given metadata of a stream unchanged.
func (w *testServer) metadata(stream, body string) {
	w.Helper()
	w.append("$$"+stream, kurrentdb.Any{}, kurrentdb.EventData{
		EventID: uuid.New(), EventType: "$metadata", ContentType: kurrentdb.ContentTypeJson, Data: []byte(body),
	})
}

// settings writes the newest event of $settings.
func (w *testServer) settings(body string) {
	w.Helper()
	w.append("$settings", kurrentdb.Any{}, kurrentdb.EventData{
		EventID: uuid.New(), EventType: "$settings", ContentType: kurrentdb.ContentTypeJson, Data: []byte(body),
	})
}

// calls returns every kind of call about the stream, by name.
func (w *testServer) calls(stream string) map[string]func() error {
	ctx := w.Context()
	client, any := w.client, kurrentdb.Any{}
	group := func(name string) error {
		return client.CreatePersistentSubscription(ctx, stream, name, kurrentdb.PersistentStreamSubscriptionOptions{})
	}
	return map[string]func() error{
		"read":   func() error { _, err := w.tryReadStream(stream, kurrentdb.ReadStreamOptions{}); return err },
		"append": func() error { _, err := w.tryAppend(stream, any, events(20)...); return err },
		"subscribe": func() error {
			sub, err := client.SubscribeToStream(ctx, stream, kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}})
			if err == nil {
				err = sub.Close()
			}
			return err
		},
		"delete": func() error {
			_, err := client.DeleteStream(ctx, stream, kurrentdb.DeleteStreamOptions{StreamState: any})
			return err
		},
		"tombstone": func() error {
			_, err := client.TombstoneStream(ctx, stream, kurrentdb.TombstoneStreamOptions{StreamState: any})
			return err
		},
		"read metadata":  func() error { _, err := w.tryReadStream("$$"+stream, kurrentdb.ReadStreamOptions{}); return err },
		"write metadata": func() error { _, err := w.tryAppend("$$"+stream, any, event("$metadata")); return err },
		"read $all": func() error {
			read, err := client.ReadAll(ctx, kurrentdb.ReadAllOptions{}, 1)
			if err == nil {
				_, err = collect(read)
			}
			return err
		},
		"subscribe to $all": func() error {
			sub, err := client.SubscribeToAll(ctx, kurrentdb.SubscribeToAllOptions{})
			if err == nil {
				err = sub.Close()
			}
			return err
		},
		"create group": func() error { return group("another") },
		"update group": func() error {
			return client.UpdatePersistentSubscription(ctx, stream, "g", kurrentdb.PersistentStreamSubscriptionOptions{})
		},
		"delete group": func() error {
			return client.DeletePersistentSubscription(ctx, stream, "g", kurrentdb.DeletePersistentSubscriptionOptions{})
		},
		"replay": func() error {
			return client.ReplayParkedMessages(ctx, stream, "g", kurrentdb.ReplayParkedMessagesOptions{})
		},
		"restart groups": func() error {
			return client.RestartPersistentSubscriptionSubsystem(ctx, kurrentdb.RestartPersistentSubscriptionSubsystemOptions{})
		},
		"group info": func() error {
			_, err := client.GetPersistentSubscriptionInfo(ctx, stream, "g", kurrentdb.GetPersistentSubscriptionOptions{})
			return err
		},
		"list groups": func() error {
			_, err := client.ListAllPersistentSubscriptions(ctx, kurrentdb.ListPersistentSubscriptionsOptions{})
			return err
		},
		"join": func() error {
			sub, err := client.SubscribeToPersistentSubscription(ctx, stream, "g", kurrentdb.SubscribeToPersistentSubscriptionOptions{})
			if err == nil {
				err = sub.Close()
			}
			return err
		},
		"join on $all": func() error {
			sub, err := client.SubscribeToPersistentSubscriptionToAll(ctx, "g", kurrentdb.SubscribeToPersistentSubscriptionOptions{})
			if err == nil {
				err = sub.Close()
			}
			return err
		},
	}
}

func TestRights(t *testing.T) {
	t.Parallel()
	const closed = `{"$acl":{"$r":"$admins","$w":"$admins","$d":"$admins","$mr":"$admins","$mw":"$admins"}}`
	every := []string{
		"read", "append", "subscribe", "delete", "tombstone", "read metadata", "write metadata", "read $all", "subscribe to $all",
		"create group", "update group", "delete group", "replay", "restart groups", "group info", "list groups", "join", "join on $all",
	}
	without := func(names string) (left []string) {
		for _, call := range every {
			if !strings.Contains(","+names+",", ","+call+",") {
				left = append(left, call)
			}
		}
		return left
	}
	const onLog, manage = "read $all,subscribe to $all,join on $all", "create group,update group,delete group,replay,restart groups"
	const onStream = "read,append,subscribe,delete,tombstone,read metadata,write metadata,join"
	for name, c := range map[string]struct {
		caller, stream, metadata, settings string
		want                               []string
	}{
		"an administrator may do everything":        {"admin", "s", closed, "", every},
		"a user in $admins may do everything":       {"eve", "s", closed, "", every},
		"a plain user may use streams of users":     {"plain", "s", `{}`, "", without(onLog + "," + manage)},
		"a plain user may not use a closed stream":  {"plain", "s", closed, "", without(onLog + "," + manage + "," + onStream)},
		"a plain user may not use a system stream":  {"plain", "$s", `{}`, "", without(onLog + "," + manage + "," + onStream)},
		"an operator manages groups and no streams": {"opal", "$s", `{}`, "", without(onLog + "," + onStream)},
		"a list lets in who it names":               {"plain", "$s", `{"$acl":{"$r":["$admins","plain"]}}`, "", without(onLog + "," + manage + ",append,delete,tombstone,read metadata,write metadata")},
		"a list lets in the group it names":         {"carla", "s", `{"$acl":{"$r":"clerks","$w":["$admins"]}}`, "", without(onLog + "," + manage + ",append")},
		"$settings close streams of users":          {"plain", "s", `{}`, `{"$userStreamAcl":{"$w":"clerks","$d":"clerks","$mw":"clerks"}}`, without(onLog + "," + manage + ",append,delete,tombstone,write metadata")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			may := map[string]bool{}
			for _, call := range c.want {
				may[call] = true
			}
			s := newSecure(t, kurrentsim.Options{}, user("eve", access.Admins), user("opal", access.Operations),
				user("plain"), user("carla", "clerks"))
			if c.settings != "" {
				s.settings(c.settings)
			}
			caller := s.connectAs(c.caller, secret)
			s.createAll("g")
			for _, call := range every {
				stream := c.stream + "-" + uuid.NewString()
				s.append(stream, kurrentdb.NoStream{}, event("a"))
				s.metadata(stream, c.metadata)
				s.createGroup(stream, "g", nil)
				err := caller.calls(stream)[call]()
				if may[call] {
					require.NoError(t, err, call)
					continue
				}
				requireCode(t, err, kurrentdb.ErrorCodeAccessDenied)
			}
		})
	}
}

// createAll creates a group on $all.
func (w *testServer) createAll(group string) {
	w.Helper()
	require.NoError(w, w.client.CreatePersistentSubscriptionToAll(w.Context(), group, kurrentdb.PersistentAllSubscriptionOptions{}))
}

func TestRights_All(t *testing.T) {
	t.Parallel()
	s := newSecure(t, kurrentsim.Options{}, user("plain"))
	s.createAll("g")
	plain := s.connectAs("plain", secret)
	denied := plain.calls("s")
	requireCode(t, denied["read $all"](), kurrentdb.ErrorCodeAccessDenied)
	s.metadata("$all", `{"$acl":{"$r":["$admins","plain"]}}`)
	for _, call := range []string{"read $all", "subscribe to $all", "join on $all"} {
		require.NoError(t, plain.calls("s")[call](), call)
	}
	for _, write := range []string{"append", "delete", "tombstone"} {
		requireCode(t, s.calls("$all")[write](), kurrentdb.ErrorCodeAccessDenied)
	}
}

func TestRights_Category(t *testing.T) {
	t.Parallel()
	s := newSecure(t, kurrentsim.Options{}, user("plain"))
	s.createGroup("$ce-order", "g", nil)
	calls := s.connectAs("plain", secret).calls("$ce-order")
	for _, call := range []string{"read", "subscribe", "join"} {
		requireCode(t, calls[call](), kurrentdb.ErrorCodeAccessDenied)
	}
	s.metadata("$ce-order", `{"$acl":{"$r":"$admins"}}`) // the projection's first write replaces it
	s.append("order-1", kurrentdb.NoStream{}, event("a"))
	for _, call := range []string{"read", "subscribe", "join", "read metadata"} {
		require.NoError(t, calls[call](), call)
	}
	requireCode(t, calls["append"](), kurrentdb.ErrorCodeAccessDenied)

	s.metadata("order-1", `{"$acl":{"$r":"$admins"}}`)
	read, err := s.connectAs("plain", secret).tryReadStream("$ce-order", kurrentdb.ReadStreamOptions{ResolveLinkTos: true})
	require.NoError(t, err)
	require.NotNil(t, read[0].Event, "a link that may be read shows an event that may not")

	s.metadata("$ce-order", `{"$acl":{"$r":"$admins"}}`)
	requireCode(t, calls["read"](), kurrentdb.ErrorCodeAccessDenied)
}

func TestRights_Projections(t *testing.T) {
	t.Parallel()
	s := newSecure(t, kurrentsim.Options{}, user("opal", access.Operations), user("plain"))
	for name, want := range map[string]struct{ statistics, disable codes.Code }{
		"opal":  {codes.OK, codes.OK},
		"plain": {codes.OK, codes.Unknown}, // denied by the projections, with an error of their own
		"":      {codes.PermissionDenied, codes.PermissionDenied},
	} {
		t.Run(name, func(t *testing.T) {
			projections := kurrentdb.NewProjectionClientFromExistingClient(s.connectAs(name, secret).client)
			_, err := projections.GetStatus(t.Context(), "$by_category", kurrentdb.GenericProjectionOptions{})
			require.Equal(t, want.statistics, status.Code(errors.Unwrap(err)), "%v", err)
			err = projections.Disable(t.Context(), "$by_category", kurrentdb.GenericProjectionOptions{})
			require.Equal(t, want.disable, status.Code(err), "%v", err)
		})
	}
}

func TestUsersAPI(t *testing.T) {
	t.Parallel()
	const body = `{"loginName":"plain","fullName":"Plain","password":"secret","groups":["clerks"]}`
	options := kurrentsim.Options{DataDir: t.TempDir()}
	s := newSecure(t, options, user("other"))
	create := func(name, password, body string) int {
		status, _ := s.http(http.MethodPost, "/users/", name, password, body)
		return status
	}
	require.Equal(t, http.StatusUnauthorized, create("", "", body))
	require.Equal(t, http.StatusUnauthorized, create("other", secret, body))
	require.Equal(t, http.StatusBadRequest, create("admin", secret, `{"loginName":"x"}`))
	require.Equal(t, http.StatusCreated, create("admin", secret, body))
	require.Equal(t, http.StatusCreated, create("admin", secret, body), "the same user once more")
	require.Equal(t, http.StatusConflict, create("admin", secret, strings.ReplaceAll(body, "secret", "another")))

	s.metadata("s", `{"$acl":{"$r":"clerks"}}`)
	s.append("s", kurrentdb.Any{}, event("a"))
	_, err := s.connectAs("plain", "secret").tryReadStream("s", kurrentdb.ReadStreamOptions{})
	require.NoError(t, err)
	_, err = s.connectAs("other", secret).tryReadStream("s", kurrentdb.ReadStreamOptions{})
	requireCode(t, err, kurrentdb.ErrorCodeAccessDenied)

	require.NoError(t, s.server.Stop(context.Background()))
	again := newSecure(t, options)
	_, err = again.connectAs("plain", "secret").tryReadStream("s", kurrentdb.ReadStreamOptions{})
	require.NoError(t, err, "a user survives a restart")
	_, err = again.connectAs("plain", "wrong").tryReadStream("s", kurrentdb.ReadStreamOptions{})
	requireCode(t, err, kurrentdb.ErrorCodeUnauthenticated)
}

func TestRights_DeniedAppend(t *testing.T) {
	t.Parallel()
	s := newSecure(t, kurrentsim.Options{}, user("plain"))
	batch := events(200)
	for i := range batch {
		batch[i].Data = []byte(`"` + strings.Repeat("x", 4<<10) + `"`) // more than the server buffers before it reads
	}
	_, err := s.connectAs("plain", secret).tryAppend("$s", kurrentdb.Any{}, batch...)
	requireCode(t, err, kurrentdb.ErrorCodeAccessDenied)
	_, err = s.connectAs("plain", "wrong").tryAppend("s", kurrentdb.Any{}, batch...)
	requireCode(t, err, kurrentdb.ErrorCodeUnauthenticated)
	_, err = s.tryReadStream("$s", kurrentdb.ReadStreamOptions{})
	requireCode(t, err, kurrentdb.ErrorCodeResourceNotFound)
}
