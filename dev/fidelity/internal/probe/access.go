package probe

import (
	"context"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// accessProbes are about rights. They need TLS and the credentials of two users, and are
// skipped otherwise.
func accessProbes() []probe {
	as := func(name string, run func(p *P, stranger *kurrentdb.Client)) probe {
		return slow("access."+name, 15e9, func(p *P) {
			if !p.secure() || p.second.Login == "" {
				p.Note("skipped", "needs TLS, -user and -user2")
				return
			}
			stranger := p.newDB(&p.second)
			p.Later(func() { _ = stranger.Close() })
			run(p, stranger)
		})
	}
	read := func(p *P, db *kurrentdb.Client, stream string) any {
		reading, err := db.ReadStream(p.ctx, stream, forwards(kurrentdb.Start{}), 1)
		if err != nil {
			return p.failure(err)
		}
		return p.drain(reading, p.briefly)
	}
	write := func(p *P, db *kurrentdb.Client, stream, label string) any {
		_, err := db.AppendToStream(p.ctx, stream, kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.Any{}}, p.Ev(label))
		return p.failure(err)
	}
	return []probe{
		as("wrong_password", func(p *P, _ *kurrentdb.Client) {
			wrong := p.newDB(&kurrentdb.Credentials{Login: p.config.Username, Password: "wrong"})
			defer wrong.Close()
			p.Note("read", p.within(8*time.Second, func() any { return read(p, wrong, p.S("s")) }))
			p.Note("append", p.within(8*time.Second, func() any { return write(p, wrong, p.S("s"), "a") }))
			p.Note("info", p.within(8*time.Second, func() any {
				_, err := wrong.GetPersistentSubscriptionInfo(p.ctx, p.S("s"), "g", kurrentdb.GetPersistentSubscriptionOptions{})
				return p.failure(err)
			}))
		}),
		as("no_credentials", func(p *P, _ *kurrentdb.Client) {
			nobody := p.newDB(&kurrentdb.Credentials{})
			defer nobody.Close()
			p.Note("read", p.within(8*time.Second, func() any { return read(p, nobody, p.S("s")) }))
			p.Note("append", p.within(8*time.Second, func() any { return write(p, nobody, p.S("s"), "a") }))
		}),
		as("open_stream", func(p *P, stranger *kurrentdb.Client) {
			p.Seed(p.S("s"), "a")
			p.Note("read", read(p, stranger, p.S("s")))
			p.Note("append", write(p, stranger, p.S("s"), "b"))
			p.Note("read metadata", read(p, stranger, "$$"+p.S("s")))
			p.Note("write metadata", write(p, stranger, "$$"+p.S("s"), "m"))
		}),
		as("closed_stream", func(p *P, stranger *kurrentdb.Client) {
			p.Seed(p.S("s"), "a")
			p.seedMetadata(p.S("s"), `{"$acl":{"$r":"$admins","$w":"$admins","$d":"$admins","$mr":"$admins","$mw":"$admins"}}`)
			p.Note("read", read(p, stranger, p.S("s")))
			p.Note("append", write(p, stranger, p.S("s"), "b"))
			_, err := stranger.DeleteStream(p.ctx, p.S("s"), kurrentdb.DeleteStreamOptions{StreamState: kurrentdb.Any{}})
			p.Note("delete", p.failure(err))
			_, err = stranger.TombstoneStream(p.ctx, p.S("s"), kurrentdb.TombstoneStreamOptions{StreamState: kurrentdb.Any{}})
			p.Note("tombstone", p.failure(err))
			p.Note("read metadata", read(p, stranger, "$$"+p.S("s")))
			p.Note("write metadata", write(p, stranger, "$$"+p.S("s"), "m"))
			_, err = stranger.SubscribeToStream(p.ctx, p.S("s"), kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}})
			p.Note("subscribe", p.failure(err))
			p.Note("administrator reads", read(p, p.DB(), p.S("s")))
		}),
		as("resolved_link", func(p *P, stranger *kurrentdb.Client) { // a readable link to an unreadable event
			p.Seed(p.S("order-1"), "a")
			p.awaitEvents("$ce-"+p.S("order"), 1)
			p.seedMetadata(p.S("order-1"), `{"$acl":{"$r":"$admins"}}`)
			reading, err := stranger.ReadStream(p.ctx, "$ce-"+p.S("order"), resolving(forwards(kurrentdb.Start{})), 5)
			if err != nil {
				p.Note("read", p.failure(err))
				return
			}
			p.Note("read", p.drain(reading, p.briefly))
		}),
		as("system_stream", func(p *P, stranger *kurrentdb.Client) {
			p.Seed("$"+p.S("sys"), "a")
			p.Note("read", read(p, stranger, "$"+p.S("sys")))
			p.Note("append", write(p, stranger, "$"+p.S("sys"), "b"))
			p.Note("category", read(p, stranger, "$ce-"+p.S("never")))
		}),
		as("log", func(p *P, stranger *kurrentdb.Client) {
			reading, err := stranger.ReadAll(p.ctx, kurrentdb.ReadAllOptions{From: kurrentdb.Start{}}, 1)
			p.Must("read", err)
			p.Note("read", p.drain(reading, func(*kurrentdb.ResolvedEvent) any { return "an event" }))
			_, err = stranger.SubscribeToAll(p.ctx, kurrentdb.SubscribeToAllOptions{From: kurrentdb.End{}, Filter: streamPrefix(p.S("f-"))})
			p.Note("subscribe", p.failure(err))
		}),
		as("group", func(p *P, stranger *kurrentdb.Client) {
			p.Seed(p.S("s"), "a")
			err := stranger.CreatePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.PersistentStreamSubscriptionOptions{StartFrom: kurrentdb.Start{}})
			p.Note("create", p.failure(err))
			if err != nil {
				p.createGroup("s", "g", nil, kurrentdb.Start{})
			}
			p.Note("create again", p.failure(stranger.CreatePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.PersistentStreamSubscriptionOptions{StartFrom: kurrentdb.Start{}})))
			_, err = stranger.GetPersistentSubscriptionInfo(p.ctx, p.S("s"), "g", kurrentdb.GetPersistentSubscriptionOptions{})
			p.Note("info", p.failure(err))
			_, err = stranger.GetPersistentSubscriptionInfo(p.ctx, p.S("s"), "absent", kurrentdb.GetPersistentSubscriptionOptions{})
			p.Note("info of absent", p.failure(err))
			_, err = stranger.ListAllPersistentSubscriptions(p.ctx, kurrentdb.ListPersistentSubscriptionsOptions{})
			p.Note("list", p.failure(err))
			p.Note("replay", p.failure(stranger.ReplayParkedMessages(p.ctx, p.S("s"), "g", kurrentdb.ReplayParkedMessagesOptions{})))
			ctx, cancel := context.WithCancel(p.ctx)
			defer cancel()
			_, err = stranger.SubscribeToPersistentSubscription(ctx, p.S("s"), "g", kurrentdb.SubscribeToPersistentSubscriptionOptions{})
			p.Note("join", p.failure(err))
			_, err = stranger.SubscribeToPersistentSubscription(ctx, p.S("s"), "absent", kurrentdb.SubscribeToPersistentSubscriptionOptions{})
			p.Note("join absent", p.failure(err))
			p.Note("delete", p.failure(stranger.DeletePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.DeletePersistentSubscriptionOptions{})))
		}),
		as("group_on_closed_stream", func(p *P, stranger *kurrentdb.Client) {
			p.Seed(p.S("s"), "a")
			p.seedMetadata(p.S("s"), `{"$acl":{"$r":"$admins"}}`)
			p.createGroup("s", "g", nil, kurrentdb.Start{})
			ctx, cancel := context.WithCancel(p.ctx)
			defer cancel()
			_, err := stranger.SubscribeToPersistentSubscription(ctx, p.S("s"), "g", kurrentdb.SubscribeToPersistentSubscriptionOptions{})
			p.Note("join", p.failure(err))
		}),
	}
}

// disturbingProbes affect all groups of the server.
func disturbingProbes() []probe {
	return []probe{
		slow("disturb.restart_subsystem", 30e9, func(p *P) {
			p.Seed(p.S("s"), "a", "b", "c")
			p.createGroup("s", "g", productSettings(), kurrentdb.Start{})
			c := p.join("s", "g", 10)
			got := c.Take("joined", 3)
			c.ack(got[0])
			p.Note("stats before", p.Stats("s", "g"))
			c.nack("again", kurrentdb.NackActionRetry, got[1])
			c.Take("retried", 1)
			p.Note("restart", p.failure(p.DB().RestartPersistentSubscriptionSubsystem(p.ctx, kurrentdb.RestartPersistentSubscriptionSubsystemOptions{})))
			c.TakeWithin("then", 9, 3*time.Second)
			p.Until(8*time.Second, func() bool { _, err := p.info("s", "g"); return err == nil })
			p.Note("stats after", p.Stats("s", "g"))
			var again *consumer
			p.Until(8*time.Second, func() bool {
				var err error
				again, err = p.tryJoin("s", "g", 10)
				return err == nil
			})
			if again != nil {
				again.Take("joined again", 9)
			}
		}),
	}
}
