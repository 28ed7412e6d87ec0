package probe

import (
	"context"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// accessProbes are about rights: those of a second user, and of callers without any.
func accessProbes() []probe {
	return []probe{
		asSecondUser("access.wrong_password", accessWithWrongPassword),
		asSecondUser("access.no_credentials", accessWithoutCredentials),
		asSecondUser("access.open_stream", accessToOpenStream),
		asSecondUser("access.closed_stream", accessToClosedStream),
		asSecondUser("access.resolved_link", accessToResolvedLink),
		asSecondUser("access.system_stream", accessToSystemStream),
		asSecondUser("access.log", accessToLog),
		asSecondUser("access.group", accessToGroup),
		asSecondUser("access.group_on_closed_stream", accessToGroupOnClosedStream),
	}
}

// asSecondUser is a probe with a client of the second user. It needs TLS and the
// credentials of two users, and is skipped otherwise.
func asSecondUser(name string, run func(p *P, second *kurrentdb.Client)) probe {
	return slow(name, 15e9, func(p *P) {
		if !p.secure() || p.second.Login == "" {
			p.Note("skipped", "needs TLS, -user and -user2")
			return
		}
		second := p.newDB(&p.second)
		p.Later(func() { _ = second.Close() })
		run(p, second)
	})
}

func readWith(p *P, db *kurrentdb.Client, stream string) any {
	reading, err := db.ReadStream(p.ctx, stream, forwards(kurrentdb.Start{}), 1)
	if err != nil {
		return p.failure(err)
	}
	return p.drain(reading, p.briefly)
}

func appendWith(p *P, db *kurrentdb.Client, stream, label string) any {
	_, err := db.AppendToStream(p.ctx, stream, kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.Any{}}, p.Ev(label))
	return p.failure(err)
}

func accessWithWrongPassword(p *P, _ *kurrentdb.Client) {
	wrong := p.newDB(&kurrentdb.Credentials{Login: p.config.Username, Password: "wrong"})
	defer wrong.Close()
	p.Note("read", p.within(8*time.Second, func() any { return readWith(p, wrong, p.S("s")) }))
	p.Note("append", p.within(8*time.Second, func() any { return appendWith(p, wrong, p.S("s"), "a") }))
	p.Note("info", p.within(8*time.Second, func() any {
		_, err := wrong.GetPersistentSubscriptionInfo(p.ctx, p.S("s"), "g", kurrentdb.GetPersistentSubscriptionOptions{})
		return p.failure(err)
	}))
}

func accessWithoutCredentials(p *P, _ *kurrentdb.Client) {
	anonymous := p.newDB(&kurrentdb.Credentials{})
	defer anonymous.Close()
	p.Note("read", p.within(8*time.Second, func() any { return readWith(p, anonymous, p.S("s")) }))
	p.Note("append", p.within(8*time.Second, func() any { return appendWith(p, anonymous, p.S("s"), "a") }))
}

func accessToOpenStream(p *P, second *kurrentdb.Client) {
	p.Seed(p.S("s"), "a")
	p.Note("read", readWith(p, second, p.S("s")))
	p.Note("append", appendWith(p, second, p.S("s"), "b"))
	p.Note("read metadata", readWith(p, second, "$$"+p.S("s")))
	p.Note("write metadata", appendWith(p, second, "$$"+p.S("s"), "m"))
}

func accessToClosedStream(p *P, second *kurrentdb.Client) {
	p.Seed(p.S("s"), "a")
	p.seedMetadata(p.S("s"), `{"$acl":{"$r":"$admins","$w":"$admins","$d":"$admins","$mr":"$admins","$mw":"$admins"}}`)
	p.Note("read", readWith(p, second, p.S("s")))
	p.Note("append", appendWith(p, second, p.S("s"), "b"))
	_, err := second.DeleteStream(p.ctx, p.S("s"), kurrentdb.DeleteStreamOptions{StreamState: kurrentdb.Any{}})
	p.Note("delete", p.failure(err))
	_, err = second.TombstoneStream(p.ctx, p.S("s"), kurrentdb.TombstoneStreamOptions{StreamState: kurrentdb.Any{}})
	p.Note("tombstone", p.failure(err))
	p.Note("read metadata", readWith(p, second, "$$"+p.S("s")))
	p.Note("write metadata", appendWith(p, second, "$$"+p.S("s"), "m"))
	_, err = second.SubscribeToStream(p.ctx, p.S("s"), kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}})
	p.Note("subscribe", p.failure(err))
	p.Note("administrator reads", readWith(p, p.DB(), p.S("s")))
}

// accessToResolvedLink reads a readable link to an unreadable event.
func accessToResolvedLink(p *P, second *kurrentdb.Client) {
	p.Seed(p.S("order-1"), "a")
	p.awaitEvents("$ce-"+p.S("order"), 1)
	p.seedMetadata(p.S("order-1"), `{"$acl":{"$r":"$admins"}}`)
	reading, err := second.ReadStream(p.ctx, "$ce-"+p.S("order"), resolving(forwards(kurrentdb.Start{})), 5)
	if err != nil {
		p.Note("read", p.failure(err))
		return
	}
	p.Note("read", p.drain(reading, p.briefly))
}

func accessToSystemStream(p *P, second *kurrentdb.Client) {
	p.Seed("$"+p.S("sys"), "a")
	p.Note("read", readWith(p, second, "$"+p.S("sys")))
	p.Note("append", appendWith(p, second, "$"+p.S("sys"), "b"))
	p.Note("category", readWith(p, second, "$ce-"+p.S("never")))
}

func accessToLog(p *P, second *kurrentdb.Client) {
	reading, err := second.ReadAll(p.ctx, kurrentdb.ReadAllOptions{From: kurrentdb.Start{}}, 1)
	p.Must("read", err)
	p.Note("read", p.drain(reading, func(*kurrentdb.ResolvedEvent) any { return "an event" }))
	_, err = second.SubscribeToAll(p.ctx, kurrentdb.SubscribeToAllOptions{From: kurrentdb.End{}, Filter: streamPrefix(p.S("f-"))})
	p.Note("subscribe", p.failure(err))
}

func accessToGroup(p *P, second *kurrentdb.Client) {
	p.Seed(p.S("s"), "a")
	err := second.CreatePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.PersistentStreamSubscriptionOptions{StartFrom: kurrentdb.Start{}})
	p.Note("create", p.failure(err))
	if err != nil {
		p.createGroup("s", "g", nil, kurrentdb.Start{})
	}
	p.Note("create again", p.failure(second.CreatePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.PersistentStreamSubscriptionOptions{StartFrom: kurrentdb.Start{}})))
	_, err = second.GetPersistentSubscriptionInfo(p.ctx, p.S("s"), "g", kurrentdb.GetPersistentSubscriptionOptions{})
	p.Note("info", p.failure(err))
	_, err = second.GetPersistentSubscriptionInfo(p.ctx, p.S("s"), "absent", kurrentdb.GetPersistentSubscriptionOptions{})
	p.Note("info of absent", p.failure(err))
	_, err = second.ListAllPersistentSubscriptions(p.ctx, kurrentdb.ListPersistentSubscriptionsOptions{})
	p.Note("list", p.failure(err))
	p.Note("replay", p.failure(second.ReplayParkedMessages(p.ctx, p.S("s"), "g", kurrentdb.ReplayParkedMessagesOptions{})))
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	_, err = second.SubscribeToPersistentSubscription(ctx, p.S("s"), "g", kurrentdb.SubscribeToPersistentSubscriptionOptions{})
	p.Note("join", p.failure(err))
	_, err = second.SubscribeToPersistentSubscription(ctx, p.S("s"), "absent", kurrentdb.SubscribeToPersistentSubscriptionOptions{})
	p.Note("join absent", p.failure(err))
	p.Note("delete", p.failure(second.DeletePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.DeletePersistentSubscriptionOptions{})))
}

func accessToGroupOnClosedStream(p *P, second *kurrentdb.Client) {
	p.Seed(p.S("s"), "a")
	p.seedMetadata(p.S("s"), `{"$acl":{"$r":"$admins"}}`)
	p.createGroup("s", "g", nil, kurrentdb.Start{})
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	_, err := second.SubscribeToPersistentSubscription(ctx, p.S("s"), "g", kurrentdb.SubscribeToPersistentSubscriptionOptions{})
	p.Note("join", p.failure(err))
}

// disturbingProbes affect all groups of the server.
func disturbingProbes() []probe {
	return []probe{
		slow("disturb.restart_subsystem", 30e9, restartSubsystem),
	}
}

func restartSubsystem(p *P) {
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
}
