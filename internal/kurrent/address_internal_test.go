package kurrent

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/internal/correlation"
)

// FuzzParseAddress compares this package's reading of a connection string with that of the
// client, which connects: to the same servers, with the same credentials and as much TLS.
func FuzzParseAddress(f *testing.F) {
	f.Add("kurrentdb://admin:changeit@localhost:2113?tls=false")
	f.Add("esdb+discover://cluster.example.com?gossipTimeout=3&keepAliveInterval=1000")
	f.Add("kdb://a:b@one:2113,two:2113,three")
	f.Fuzz(func(t *testing.T, raw string) {
		if strings.Contains(strings.ToLower(raw), "file") {
			return // or a file of this machine would be read
		}
		a, faults := parseAddress(raw)
		if len(faults) > 0 {
			for _, fault := range faults {
				require.Less(t, len(fault), 200)
			}
			return
		}
		settings, err := kurrentdb.ParseConnectionString(a.String())
		if err != nil {
			return // reported as a connection string that the client does not understand
		}
		username, password := "", ""
		if a.user != nil {
			username = a.user.Username()
			password, _ = a.user.Password()
		}
		require.Equal(t, username, settings.Username)
		require.Equal(t, password, settings.Password)
		require.Equal(t, isFalse(a.options["tls"]), settings.DisableTLS)
		require.Equal(t, isFalse(a.options["tlsverifycert"]), settings.SkipCertificateVerification)
		require.Equal(t, kurrentdb.NodePreferenceLeader, settings.NodePreference)
		require.Equal(t, a.hosts, hostsOf(a.hosts, settings))
	})
}

// hostsOf returns the hosts that the client connects to, with a port where named has one.
func hostsOf(named []string, settings *kurrentdb.Configuration) (hosts []string) {
	if len(settings.GossipSeeds) == 0 {
		hosts = append(hosts, settings.Address)
	}
	for _, seed := range settings.GossipSeeds {
		hosts = append(hosts, net.JoinHostPort(seed.Host, strconv.Itoa(int(seed.Port))))
	}
	for i := range hosts {
		if i < len(named) && !strings.Contains(named[i], ":") {
			hosts[i] = strings.TrimSuffix(hosts[i], ":2113")
		}
		if i < len(named) && hosts[i] != named[i] {
			name, port, _ := strings.Cut(named[i], ":")
			if number, err := strconv.Atoi(port); err == nil && net.JoinHostPort(name, strconv.Itoa(number)) == hosts[i] {
				hosts[i] = named[i] // zeros in front of a port
			}
		}
	}
	return hosts
}

// FuzzAccessList reads access lists and adds to them. Rights are added, and no entry is
// lost or changed otherwise: a list that is not understood must not be opened to all.
func FuzzAccessList(f *testing.F) {
	f.Add([]byte(`{"$r":["$all"],"$w":"writer","custom":{"a":1}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if !isAccessList(body) {
			return
		}
		before, list := readList(body), readList(body)
		added, err := list.add("orderflow-starter", []Right{RightRead, RightWrite}, accessList{})
		require.NoError(t, err)
		for right, holders := range before {
			if holds, known := before.holders(Right(right)); known {
				after, ok := list.holders(Right(right))
				require.True(t, ok)
				require.Subset(t, after, holds)
				require.LessOrEqual(t, len(after), len(holds)+1)
				continue
			}
			require.Equal(t, holders, list[right])
		}
		for _, right := range added {
			holders, ok := list.holders(right)
			require.True(t, ok)
			require.Contains(t, holders, "orderflow-starter")
		}
		require.LessOrEqual(t, len(list), len(before)+2)
	})
}

// FuzzEvent reads what producers and servers write next to an event's data: metadata that
// goes to other stores and to logs, and links.
func FuzzEvent(f *testing.F) {
	f.Add("$>", []byte(`3@order-1`), []byte(`{"$correlationId":"c-1","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}`))
	f.Add("$>", []byte(`1@order-1`), []byte(`{"added":"2025-01-01T00:00:00Z","reason":"NotHandled: x"}`))
	f.Fuzz(func(t *testing.T, kind string, data, metadata []byte) {
		e := Event{Type: kind, Data: data, Metadata: metadata}
		trace := correlation.Decode(metadata)
		require.Regexp(t, `^[A-Za-z0-9._:-]{0,128}$`, trace.CorrelationID)
		require.Regexp(t, `^([0-9a-f-]{55})?$`, trace.Traceparent)
		stream, revision, ok := LinkTarget(e)
		if !ok {
			require.Zero(t, stream)
			require.Zero(t, revision)
			return
		}
		require.NotEmpty(t, stream)
		require.True(t, strings.HasSuffix(string(data), "@"+stream))
		parked := parkedOf(&kurrentdb.ResolvedEvent{Event: &kurrentdb.RecordedEvent{EventType: kind, Data: data, UserMetadata: metadata}})
		require.Equal(t, stream, parked.Stream)
		require.Equal(t, revision, parked.Revision)
	})
}
