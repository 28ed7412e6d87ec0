package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// The default subscription of the starters, and the projection that fills its stream.
const (
	groupStream = "$ce-order"
	groupName   = "fulfillment"
	projection  = "$by_category"
)

// retryEvery is how long an operator waits before retrying a request.
const retryEvery = 500 * time.Millisecond

// StopProjection disables the projection that fills the starters' stream, and enables it
// after a while.
func (r *Rig) StopProjection(ctx context.Context, d time.Duration) error {
	options := kurrentdb.GenericProjectionOptions{}
	return r.applyTemporarily(ctx, d, "stop "+projection,
		func(ctx context.Context, client *kurrentdb.Client) error {
			return kurrentdb.NewProjectionClientFromExistingClient(client).Disable(ctx, projection, options)
		}, func(ctx context.Context, client *kurrentdb.Client) error {
			return kurrentdb.NewProjectionClientFromExistingClient(client).Enable(ctx, projection, options)
		})
}

// UnlinkGroup changes the starters' group so that it delivers links instead of events,
// and changes it back after a while.
func (r *Rig) UnlinkGroup(ctx context.Context, d time.Duration) error {
	return r.applyTemporarily(ctx, d, "unlink "+groupName,
		func(ctx context.Context, client *kurrentdb.Client) error { return resolveLinks(ctx, client, false) },
		func(ctx context.Context, client *kurrentdb.Client) error { return resolveLinks(ctx, client, true) })
}

func resolveLinks(ctx context.Context, client *kurrentdb.Client, resolve bool) error {
	group, err := client.GetPersistentSubscriptionInfo(ctx, groupStream, groupName, kurrentdb.GetPersistentSubscriptionOptions{})
	if err != nil {
		return err
	}
	settings := *group.Settings
	settings.ResolveLinkTos = resolve
	return client.UpdatePersistentSubscription(ctx, groupStream, groupName, kurrentdb.PersistentStreamSubscriptionOptions{Settings: &settings})
}

// undoTimeout bounds reverting a change, which is never left out.
const undoTimeout = time.Minute

// applyTemporarily applies an operator's change to KurrentDB and reverts it after a while,
// or when ctx is done.
func (r *Rig) applyTemporarily(
	ctx context.Context, d time.Duration, what string, do, undo func(context.Context, *kurrentdb.Client) error,
) error {
	if err := r.retryUntilDone(ctx, do); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	rest(ctx, d)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := r.retryUntilDone(ctx, undo); err != nil {
		return fmt.Errorf("%s, and undo it: %w", what, err)
	}
	return nil
}

// retryUntilDone repeats an operator's request to KurrentDB, which may be down, until it
// succeeds. It uses a new client each time, because a client does not survive an outage.
func (r *Rig) retryUntilDone(ctx context.Context, do func(context.Context, *kurrentdb.Client) error) error {
	for {
		err := r.ask(ctx, do)
		if err == nil {
			return nil
		}
		if rest(ctx, retryEvery); ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (r *Rig) ask(ctx context.Context, do func(context.Context, *kurrentdb.Client) error) error {
	return askKurrentDB(ctx, r.kurrentURL(r.addresses[KurrentDB]), do)
}

func askKurrentDB(ctx context.Context, connection string, do func(context.Context, *kurrentdb.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	settings, err := kurrentdb.ParseConnectionString(connection)
	if err != nil {
		return err
	}
	settings.Logger = kurrentdb.NoopLogging()
	client, err := kurrentdb.NewClient(settings)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	return do(ctx, client)
}

// RequireNoOrders returns an error if the KurrentDB at a connection string already holds
// orders.
func RequireNoOrders(ctx context.Context, connection string) error {
	if err := askKurrentDB(ctx, connection, requireNoOrders); err != nil {
		return fmt.Errorf("KurrentDB: %w", err)
	}
	return nil
}

// requireNoOrders reads the stream of the projection that the starters need anyway.
func requireNoOrders(ctx context.Context, client *kurrentdb.Client) error {
	read, err := client.ReadStream(ctx, groupStream, kurrentdb.ReadStreamOptions{From: kurrentdb.Start{}}, 1)
	if err != nil {
		return err
	}
	defer read.Close()
	_, err = read.Recv()
	if errors.Is(err, io.EOF) { // every event of it is hidden
		return nil
	}
	if known, _ := kurrentdb.FromError(err); err != nil && known.Code() == kurrentdb.ErrorCodeResourceNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	return errHoldsOrders
}
