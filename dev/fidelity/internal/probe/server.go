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

func serverProbes() []probe {
	return []probe{
		ask("server.version", func(p *P) {
			version, err := p.DB().GetServerVersion()
			if err != nil {
				p.Note("version", p.failure(err))
				return
			}
			p.Note("version", fmt.Sprintf("%d.%d.%d", version.Major, version.Minor, version.Patch))
		}),
		ask("server.features", func(p *P) {
			answer, err := p.wire.features.GetSupportedMethods(p.ctx, &shared.Empty{})
			p.Must("ask for the features", err)
			p.Note("version text", answer.EventStoreServerVersion)
			methods := []string{}
			for _, m := range answer.Methods {
				methods = append(methods, fmt.Sprintf("%s/%s %s", m.ServiceName, m.MethodName, strings.Join(slices.Sorted(slices.Values(m.Features)), ",")))
			}
			slices.Sort(methods)
			p.Note("methods", methods)
		}),
		ask("server.gossip", func(p *P) {
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
		}),
		ask("server.multi_append", func(p *P) { // newer servers support it; the product does not use it
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
		}),
		ask("server.deadline", func(p *P) { // too short for any response
			soon := time.Nanosecond
			_, err := p.DB().AppendToStream(p.ctx, p.S("s"), kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.Any{}, Deadline: &soon}, p.Ev("a"))
			p.Note("append", p.failure(err))
			reading, err := p.DB().ReadStream(p.ctx, p.S("s"), kurrentdb.ReadStreamOptions{Deadline: &soon}, 1)
			if err != nil {
				p.Note("read", p.failure(err))
				return
			}
			p.Note("read", p.drain(reading, p.briefly))
		}),
		ask("server.closed_client", func(p *P) {
			db := p.newDB(nil)
			_, err := db.GetServerVersion()
			p.Must("connect", err)
			_ = db.Close()
			_, err = db.AppendToStream(p.ctx, p.S("s"), kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.Any{}}, p.Ev("a"))
			p.Note("append", p.failure(err))
		}),
		ask("server.unreachable", func(p *P) { // no server listens there
			config, err := kurrentdb.ParseConnectionString("kurrentdb://127.0.0.1:1?tls=false&maxDiscoverAttempts=1&discoveryInterval=0")
			p.Must("parse", err)
			config.Logger = kurrentdb.NoopLogging()
			db, err := kurrentdb.NewClient(config)
			p.Must("make a client", err)
			for _, label := range []string{"first", "second"} {
				_, err = db.AppendToStream(p.ctx, p.S("s"), kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.Any{}}, p.Ev("a"))
				p.Note(label, p.failure(err))
			}
		}),
		ask("server.ping", func(p *P) { // the product's health check: a read of a stream that need not exist
			p.Note("read", p.Read(p.S("ping"), forwards(kurrentdb.Revision(0)), 1, p.briefly))
		}),
		ask("server.requiresleader", func(p *P) { // the client sends it unless another node is preferred
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
		}),
	}
}
