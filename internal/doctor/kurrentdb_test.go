package doctor_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/doctor"
	"orderflow/internal/kurrent"
	"orderflow/internal/rights"
)

// fulfillment is the group of a starter with the default settings.
var fulfillment = kurrent.GroupSettings{Stream: "$ce-order", Group: "fulfillment", MessageTimeout: 4 * time.Minute, BufferSize: 64}

// eventsRig is a KurrentDB with a group that a consumer has joined.
type eventsRig struct {
	*testing.T
	server   *kurrentsim.Server
	consumer *kurrentdb.PersistentSubscription
}

func newEventsRig(t *testing.T, options kurrentsim.Options) *eventsRig {
	t.Helper()
	server, err := kurrentsim.Start(options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	return &eventsRig{T: t, server: server}
}

// prepare creates the group and joins it.
func (r *eventsRig) prepare() *eventsRig {
	r.Helper()
	_, _, err := kurrentsimtest.OpenClient(r.T, r.server.URL()).EnsureGroup(r.Context(), fulfillment)
	require.NoError(r, err)
	r.join()
	return r
}

func (r *eventsRig) join() {
	r.Helper()
	var err error
	r.consumer, err = kurrentsimtest.OfficialClient(r, r.server.URL()).SubscribeToPersistentSubscription(
		r.Context(), fulfillment.Stream, fulfillment.Group, kurrentdb.SubscribeToPersistentSubscriptionOptions{BufferSize: 10})
	require.NoError(r, err)
	r.Cleanup(func() { _ = r.consumer.Close() })
}

func (r *eventsRig) append(n int) {
	r.Helper()
	events := make([]kurrent.NewEvent, n)
	for i := range events {
		events[i] = kurrentsimtest.Event("order-placed", "{}")
	}
	_, err := kurrentsimtest.OpenClient(r.T, r.server.URL()).Append(r.Context(), "order-"+uuid.NewString(), kurrent.Any(), events...)
	require.NoError(r, err)
}

func inspectEvents(t *testing.T, url string) *kurrent.Inspector {
	t.Helper()
	inspector, err := kurrent.OpenInspector(kurrent.Config{URL: url, AllowPlaintext: true, CallTimeout: patience})
	require.NoError(t, err)
	t.Cleanup(inspector.Close)
	return inspector
}

func (r *eventsRig) options() doctor.Options {
	return doctor.Options{KurrentDB: inspectEvents(r.T, r.server.URL()), Group: fulfillment}
}

func TestKurrentDB(t *testing.T) {
	t.Parallel()
	t.Run("finds nothing on a server that is set up", func(t *testing.T) {
		t.Parallel()
		results := run(t, newEventsRig(t, kurrentsim.Options{}).prepare().options())
		require.Empty(t, findings(results))
		require.Equal(t, "KurrentDB 24.10.14", resultOf(t, results, "kurrentdb/version").Found)
		require.Equal(t, doctor.OK, resultOf(t, results, "machine/clock").Status)
		require.Equal(t, doctor.NotChecked, resultOf(t, results, "postgres/reachable").Status)
	})
	for name, c := range map[string]struct {
		options kurrentsim.Options
		prepare func(r *eventsRig) // nil prepares everything
		want    wanted
	}{
		"an old server": {
			kurrentsim.Options{Version: "23.10.0"}, nil,
			wanted{"kurrentdb/version", doctor.Problem, "KurrentDB 23.10.0", "24.10"},
		},
		"a low append limit": {
			kurrentsim.Options{MaxAppendSize: 512 << 10}, nil,
			wanted{"kurrentdb/append-limit", doctor.Problem, "one append may have 524288 bytes", "MaxAppendSize"},
		},
		"no projections": {
			kurrentsim.Options{WithoutProjections: true}, nil,
			wanted{"kurrentdb/projection", doctor.Problem, "$by_category is absent", "RunProjections=System"},
		},
		"stopped projections": {
			kurrentsim.Options{StoppedProjections: true}, nil,
			wanted{"kurrentdb/projection", doctor.Problem, "$by_category is stopped", "StartStandardProjections"},
		},
		"a faulted projection": {
			kurrentsim.Options{}, func(r *eventsRig) {
				r.prepare()
				require.NoError(r, r.server.FaultProjection(kurrent.ByCategory, "broken"))
			},
			wanted{"kurrentdb/projection", doctor.Problem, "$by_category is faulted", "disable and enable"},
		},
		"no group": {
			kurrentsim.Options{}, func(*eventsRig) {},
			wanted{"kurrentdb/group", doctor.Problem, "group fulfillment on $ce-order does not exist", "orderflow group create"},
		},
		"a group that loses events": {
			kurrentsim.Options{}, func(r *eventsRig) {
				settings := kurrentdb.SubscriptionSettingsDefault()
				settings.ResolveLinkTos, settings.MaxRetryCount, settings.MessageTimeout = true, 1<<31-1, 240_000
				require.NoError(r, kurrentsimtest.OfficialClient(r, r.server.URL()).CreatePersistentSubscription(r.Context(), fulfillment.Stream,
					fulfillment.Group, kurrentdb.PersistentStreamSubscriptionOptions{Settings: &settings, StartFrom: kurrentdb.End{}}))
				r.join()
			},
			wanted{"kurrentdb/group", doctor.Problem, "start is the end", "orderflow group create"},
		},
		"no starter": {
			kurrentsim.Options{}, func(r *eventsRig) {
				_, _, err := kurrentsimtest.OpenClient(r.T, r.server.URL()).EnsureGroup(r.Context(), fulfillment)
				require.NoError(r, err)
			},
			wanted{"kurrentdb/starter", doctor.Warning, "no starter has joined", "Start a starter"},
		},
		"a backlog": {
			kurrentsim.Options{}, func(r *eventsRig) {
				r.prepare()
				for range 12 {
					r.append(100)
				}
			},
			wanted{"kurrentdb/lag", doctor.Warning, "events that wait to be delivered", "orderflow_bridge_waiting"},
		},
		"parked events": {
			kurrentsim.Options{}, func(r *eventsRig) {
				r.prepare()
				r.append(1)
				received := r.consumer.Recv()
				require.NotNil(r, received.EventAppeared)
				require.NoError(r, r.consumer.Nack("unusable", kurrentdb.NackActionPark, received.EventAppeared.Event))
			},
			wanted{"kurrentdb/parked", doctor.Warning, "parked events: 1", "orderflow parked list"},
		},
	} {
		t.Run("finds "+name, func(t *testing.T) {
			t.Parallel()
			r := newEventsRig(t, c.options)
			if c.prepare == nil {
				c.prepare = func(r *eventsRig) { r.prepare() }
			}
			c.prepare(r)
			o := r.options()
			require.EventuallyWithT(t, func(collect *assert.CollectT) { requireOnly(collect, run(t, o), c.want) }, patience, 50*time.Millisecond)
		})
	}
	t.Run("finds a server that is not there", func(t *testing.T) {
		t.Parallel()
		results := run(t, doctor.Options{
			KurrentDB: inspectEvents(t, kurrentsimtest.URL(kurrentsimtest.ClosedAddress(t))), Group: fulfillment, Timeout: 2 * time.Second,
		})
		requireOnly(t, results, wanted{"kurrentdb/reachable", doctor.Failed, "event store is unavailable", "KURRENTDB_URL"})
		require.Equal(t, doctor.NotChecked, resultOf(t, results, "kurrentdb/group").Status)
	})
	t.Run("finds a clock that differs", func(t *testing.T) {
		t.Parallel()
		o := newEventsRig(t, kurrentsim.Options{}).prepare().options()
		o.Now = func() time.Time { return time.Now().Add(time.Hour) }
		requireOnly(t, run(t, o), wanted{"machine/clock", doctor.Warning, "compared with this machine, kurrentdb is ", "chronyc"})
	})
}

// usersRig is a KurrentDB with TLS, users and a group with a consumer.
type usersRig struct {
	*testing.T
	server *kurrentsimtest.Secure
}

func newUsersRig(t *testing.T) *usersRig {
	t.Helper()
	r := &usersRig{t, kurrentsimtest.StartSecure(t, kurrentsim.Options{})}
	for name, groups := range map[string][]string{"starter": nil, "worker": {"readers", "writers"}, "reader": {"readers"}} {
		r.server.CreateUser(t, name, groups...)
	}
	_, _, err := r.as(kurrentsimtest.Admin).EnsureGroup(t.Context(), fulfillment)
	require.NoError(t, err)
	consumer, err := kurrentsimtest.OfficialClient(t, r.server.URLFor(kurrentsimtest.Admin)).SubscribeToPersistentSubscription(
		t.Context(), fulfillment.Stream, fulfillment.Group, kurrentdb.SubscribeToPersistentSubscriptionOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = consumer.Close() })
	return r
}

func (r *usersRig) as(user string) *kurrent.Client {
	r.Helper()
	client, err := kurrent.Open(kurrent.Config{URL: r.server.URLFor(user), CallTimeout: patience})
	require.NoError(r, err)
	r.Cleanup(client.Close)
	return client
}

// restrict gives rights on all user streams to two groups.
func (r *usersRig) restrict() {
	r.Helper()
	_, err := r.as(kurrentsimtest.Admin).Append(r.Context(), "$settings", kurrent.Any(), kurrentsimtest.Event("$settings",
		`{"$userStreamAcl":{"$r":["$admins","readers"],"$w":["$admins","writers"],"$d":"$admins","$mr":["$admins","readers"],"$mw":"$admins"}}`))
	require.NoError(r, err)
}

// options returns those of a run as a user.
func (r *usersRig) options(user, as, other string) doctor.Options {
	return doctor.Options{KurrentDB: inspectEvents(r.T, r.server.URLFor(user)), Group: fulfillment, As: as, User: other}
}

func TestKurrentDB_OtherGroups(t *testing.T) {
	t.Parallel()
	r := newEventsRig(t, kurrentsim.Options{}).prepare()
	o, other := r.options(), fulfillment
	other.Stream = "$ce-creditdecision"
	o.OtherGroups = []kurrent.GroupSettings{other}
	results := run(t, o)
	missing := resultOf(t, results, "kurrentdb/group")
	require.Equal(t, doctor.Problem, missing.Status)
	require.Equal(t, "group fulfillment on $ce-creditdecision does not exist", missing.Found)
	require.Equal(t, doctor.NotChecked, resultOf(t, results, "kurrentdb/starter").Status)

	_, _, err := kurrentsimtest.OpenClient(t, r.server.URL()).EnsureGroup(t.Context(), other)
	require.NoError(t, err)
	results = run(t, o)
	require.Equal(t, "on $ce-creditdecision: no starter has joined the group", resultOf(t, results, "kurrentdb/starter").Found)
	require.Equal(t, "events that wait to be delivered: 0; on $ce-creditdecision: events that wait to be delivered: 0",
		resultOf(t, results, "kurrentdb/lag").Found)
}

func TestKurrentDB_Rights(t *testing.T) {
	t.Parallel()
	t.Run("finds a user who may not read what the binary reads", func(t *testing.T) {
		t.Parallel()
		r := newUsersRig(t)
		o := r.options("starter", "starter", "")
		requireOnly(t, run(t, o), wanted{"kurrentdb/read-rights", doctor.Problem, "user starter may not read $ce-order", "group create --grant starter"})
		for _, stream := range rights.GroupStreams(fulfillment.Stream) {
			_, err := r.as(kurrentsimtest.Admin).GrantGroup(t.Context(), stream, fulfillment.Group, "starter")
			require.NoError(t, err)
		}
		require.Empty(t, findings(run(t, o)))
	})
	t.Run("finds a user who may not write what the binary writes", func(t *testing.T) {
		t.Parallel()
		r := newUsersRig(t)
		r.restrict()
		requireOnly(t, run(t, r.options(kurrentsimtest.Admin, "worker", "reader")),
			wanted{"kurrentdb/write-rights", doctor.Problem, "user reader may not write credit-*", "$settings"})
		results := run(t, r.options(kurrentsimtest.Admin, "worker", "worker"))
		require.Empty(t, findings(results))
		require.Equal(t, "user worker may write credit-*, write email-*", resultOf(t, results, "kurrentdb/write-rights").Found)
	})
	t.Run("says that only an administrator sees the rights to write", func(t *testing.T) {
		t.Parallel()
		r := newUsersRig(t)
		r.restrict()
		results := run(t, r.options("worker", "worker", ""))
		require.Empty(t, findings(results))
		require.Equal(t, "user worker may read credit-*, read the metadata of credit-*, read order-*, read the metadata of order-*, read email-*", resultOf(t, results, "kurrentdb/read-rights").Found)
		write := resultOf(t, results, "kurrentdb/write-rights")
		require.Equal(t, doctor.NotChecked, write.Status)
		require.Contains(t, write.Found, "--user worker")
		require.Equal(t, doctor.NotChecked, resultOf(t, results, "kurrentdb/append-limit").Status)
	})
	t.Run("finds that every user may read the links to orders", func(t *testing.T) {
		t.Parallel()
		r := newUsersRig(t)
		r.restrict()
		admin := r.as(kurrentsimtest.Admin)
		_, err := admin.Append(t.Context(), "order-1", kurrent.Any(), kurrentsimtest.Event("order-placed", "{}"))
		require.NoError(t, err)
		o := r.options(kurrentsimtest.Admin, "worker", "worker")
		found := resultOf(t, run(t, o), "kurrentdb/read-rights")
		require.Equal(t, doctor.Warning, found.Status)
		require.Equal(t, "every user may read $ce-order", found.Found)
		_, err = admin.CloseProjected(t.Context(), "$ce-order", []string{"starter"})
		require.NoError(t, err)
		require.Equal(t, doctor.OK, resultOf(t, run(t, o), "kurrentdb/read-rights").Status)
	})
	t.Run("agree with what the server allows each binary", func(t *testing.T) {
		t.Parallel()
		r := newUsersRig(t)
		r.restrict()
		for _, as := range doctor.Binaries() {
			results := run(t, r.options(kurrentsimtest.Admin, as, "worker"))
			for _, check := range []string{"kurrentdb/read-rights", "kurrentdb/write-rights"} {
				got := resultOf(t, results, check)
				all := as == "projector" || as == "reconcile" || as == "starter" // they read $all or a system stream
				want := doctor.OK
				if all && check == "kurrentdb/read-rights" {
					want = doctor.Problem
				}
				require.Equal(t, want, got.Status, "%s: %s: %s", as, check, got.Found)
			}
		}
	})
	t.Run("finds wrong credentials", func(t *testing.T) {
		t.Parallel()
		r := newUsersRig(t)
		requireOnly(t, run(t, r.options("nobody", "", "")), wanted{"kurrentdb/reachable", doctor.Problem, "access denied", "KURRENTDB_URL"})
	})
	t.Run("writes nothing", func(t *testing.T) {
		t.Parallel()
		r := newUsersRig(t)
		r.restrict()
		end := func() string {
			client := kurrentsimtest.OfficialClient(t, r.server.URLFor(kurrentsimtest.Admin))
			read, err := client.ReadAll(t.Context(), kurrentdb.ReadAllOptions{Direction: kurrentdb.Backwards, From: kurrentdb.End{}}, 1)
			require.NoError(t, err)
			defer read.Close()
			last, err := read.Recv()
			require.NoError(t, err)
			return fmt.Sprint(last.OriginalEvent().Position, last.OriginalEvent().EventID)
		}
		before := end()
		for _, as := range doctor.Binaries() {
			run(t, r.options(kurrentsimtest.Admin, as, "worker"))
			run(t, r.options("worker", as, ""))
		}
		require.Equal(t, before, end())
	})
}
