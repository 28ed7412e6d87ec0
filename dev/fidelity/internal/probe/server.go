package probe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"google.golang.org/grpc/metadata"
)

// serverProbes are about the server itself, and about connections to it.
func serverProbes() []probe {
	return []probe{
		ask("server.version", serverVersion),
		ask("server.features", supportedMethods),
		ask("server.gossip", gossipMembers),
		ask("server.multi_append", multiStreamAppend),
		ask("server.deadline", deadlineTooShort),
		ask("server.closed_client", callsOfClosedClient),
		ask("server.unreachable", unreachableServer),
		ask("server.ping", healthCheckRead),
		ask("server.requiresleader", requiresLeaderHeader),
	}
}

func serverVersion(p *P) {
	version, err := p.DB().GetServerVersion()
	if err != nil {
		p.Note("version", p.failure(err))
		return
	}
	p.Note("version", fmt.Sprintf("%d.%d.%d", version.Major, version.Minor, version.Patch))
}

func supportedMethods(p *P) {
	answer, err := p.wire.features.GetSupportedMethods(p.ctx, &shared.Empty{})
	p.Must("ask for the features", err)
	p.Note("version text", answer.EventStoreServerVersion)
	methods := []string{}
	for _, m := range answer.Methods {
		methods = append(methods, fmt.Sprintf("%s/%s %s", m.ServiceName, m.MethodName, strings.Join(slices.Sorted(slices.Values(m.Features)), ",")))
	}
	slices.Sort(methods)
	p.Note("methods", methods)
}

func gossipMembers(p *P) {
	members, err := p.DB().Gossip(p.ctx)
	if err != nil {
		p.Note("gossip", p.failure(err))
		return
	}
	states := list{}
	for _, m := range members {
		states = append(states, fmt.Sprintf("%s alive=%t", m.State, m.IsAlive))
	}
	p.Note("gossip", states)
}

// multiStreamAppend appends to two streams at once. Newer servers support it; the product
// does not use it.
func multiStreamAppend(p *P) {
	events := p.Evs("a", "b")
	requests := []kurrentdb.AppendStreamRequest{
		{StreamName: p.S("s"), Events: slices.Values(events[:1]), ExpectedStreamState: kurrentdb.NoStream{}},
		{StreamName: p.S("t"), Events: slices.Values(events[1:]), ExpectedStreamState: kurrentdb.NoStream{}},
	}
	for _, label := range []string{"first", "again"} {
		_, err := p.DB().MultiStreamAppend(p.ctx, slices.Values(requests))
		p.Note(label, p.failure(err))
	}
	p.Note("then", p.Read(p.S("s"), forwards(kurrentdb.Start{}), 5, p.fullyResolved))
}

// deadlineTooShort sets a deadline that is too short for any response.
func deadlineTooShort(p *P) {
	soon := time.Nanosecond
	_, err := p.DB().AppendToStream(p.ctx, p.S("s"), kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.Any{}, Deadline: &soon}, p.Ev("a"))
	p.Note("append", p.failure(err))
	reading, err := p.DB().ReadStream(p.ctx, p.S("s"), kurrentdb.ReadStreamOptions{Deadline: &soon}, 1)
	if err != nil {
		p.Note("read", p.failure(err))
		return
	}
	p.Note("read", p.drain(reading, p.briefly))
}

func callsOfClosedClient(p *P) {
	db := p.newDB(nil)
	_, err := db.GetServerVersion()
	p.Must("connect", err)
	_ = db.Close()
	_, err = db.AppendToStream(p.ctx, p.S("s"), kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.Any{}}, p.Ev("a"))
	p.Note("append", p.failure(err))
}

// unreachableServer connects to a port where no server listens.
func unreachableServer(p *P) {
	config, err := kurrentdb.ParseConnectionString("kurrentdb://127.0.0.1:1?tls=false&maxDiscoverAttempts=1&discoveryInterval=0")
	p.Must("parse", err)
	config.Logger = kurrentdb.NoopLogging()
	db, err := kurrentdb.NewClient(config)
	p.Must("make a client", err)
	for _, label := range []string{"first", "second"} {
		_, err = db.AppendToStream(p.ctx, p.S("s"), kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.Any{}}, p.Ev("a"))
		p.Note(label, p.failure(err))
	}
}

// healthCheckRead is the product's health check: a read of a stream that need not exist.
func healthCheckRead(p *P) {
	p.Note("read", p.Read(p.S("ping"), forwards(kurrentdb.Revision(0)), 1, p.briefly))
}

// requiresLeaderHeader is about a header that the client sends unless another node is
// preferred.
func requiresLeaderHeader(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a")
	reading, err := p.DB().ReadStream(p.ctx, stream, forwards(kurrentdb.Revision(0)), 1)
	p.Must("read", err)
	p.Note("read", p.drain(reading, p.briefly))
	result, err := p.appendTo(stream, kurrentdb.Revision(0), p.Ev("b"))
	p.Must("append", err)
	p.Note("append", result.NextExpectedVersion)
	config := p.config
	config.NodePreference = kurrentdb.NodePreferenceRandom
	db, err := kurrentdb.NewClient(&config)
	p.Must("make a client", err)
	p.Later(func() { _ = db.Close() })
	ctx := metadata.AppendToOutgoingContext(p.ctx, "requires-leader", "perhaps")
	reading, err = db.ReadStream(ctx, stream, forwards(kurrentdb.Revision(0)), 1)
	p.Must("read", err)
	p.Note("read with a bad header", p.drain(reading, p.briefly))
}
