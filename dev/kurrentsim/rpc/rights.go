package rpc

import (
	"context"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/projections"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	streamsv2 "github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v2/streams/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim/access"
	"orderflow/dev/kurrentsim/groups"
	"orderflow/dev/kurrentsim/metadata"
	"orderflow/dev/kurrentsim/store"
)

// featuresMethod is open to every caller. Its request is empty, and so is that of the
// restart of the groups.
const featuresMethod = "/event_store.client.server_features.ServerFeatures/GetSupportedMethods"

// errNotAuthorized is the response to a plain user's command to a projection: the call
// passes the access check, and the projections reject it with an error of their own.
var errNotAuthorized = status.Error(codes.Unknown, "Envelope callback expected Updated, received NotAuthorized instead")

// allow returns nil if the caller may do what the request asks for. It denies requests
// that are not listed here.
func (g *Guard) allow(ctx context.Context, request any) error {
	user, _ := callerOf(ctx)
	allowed := false
	switch r := request.(type) {
	case *shared.Empty:
		method, _ := grpc.Method(ctx)
		allowed = method == featuresMethod || method == gossipMethod || user.IsOperator()
	case *streams.ReadReq:
		allowed = access.Allows(g.Lists, user, access.Read, readStream(r))
	case *streams.AppendReq:
		allowed = access.Allows(g.Lists, user, access.Write, nameOf(r.GetOptions().GetStreamIdentifier()))
	case *streams.BatchAppendReq:
		allowed = true // each append of the call is checked on its own; its response reports a denial
	case *streamsv2.AppendRequest:
		allowed = access.Allows(g.Lists, user, access.Write, r.GetStream())
	case *streams.DeleteReq:
		allowed = access.Allows(g.Lists, user, access.Delete, nameOf(r.GetOptions().GetStreamIdentifier()))
	case *streams.TombstoneReq:
		allowed = access.Allows(g.Lists, user, access.Delete, nameOf(r.GetOptions().GetStreamIdentifier()))
	case *persistent.ReadReq:
		key := keyOf(r.GetOptions().GetAll(), r.GetOptions().GetStreamIdentifier(), "")
		allowed = access.Allows(g.Lists, user, access.Read, key.Stream)
	case *persistent.CreateReq, *persistent.UpdateReq, *persistent.DeleteReq, *persistent.ReplayParkedReq:
		allowed = user.IsOperator()
	case *persistent.GetInfoReq, *persistent.ListReq, *projections.StatisticsReq:
		allowed = user != nil
	case *projections.EnableReq, *projections.DisableReq:
		if user != nil && !user.IsOperator() {
			return errNotAuthorized
		}
		allowed = user != nil
	}
	if !allowed {
		return refuse(ctx, codes.PermissionDenied, "Access Denied", "access-denied")
	}
	return nil
}

func readStream(r *streams.ReadReq) string {
	if r.GetOptions().GetAll() != nil {
		return groups.All
	}
	return nameOf(r.GetOptions().GetStream().GetStreamIdentifier())
}

// endsBySender reports whether a message belongs to a call that is answered once the
// client has sent all.
func endsBySender(message any) bool {
	_, ok := message.(*streams.AppendReq)
	return ok || namesItsStream(message)
}

// namesItsStream reports whether a message belongs to a call in which each message may be
// about another stream.
func namesItsStream(message any) bool {
	_, ok := message.(*streamsv2.AppendRequest)
	return ok
}

// Lists reads the access control lists in a log.
type Lists struct{ Store *store.Store }

// ACL returns the list in a stream's newest metadata.
func (l Lists) ACL(stream string) *access.List {
	newest, found, err := l.Store.Newest("$$" + stream)
	if err != nil {
		return access.AdminsOnly() // the content of the list is unknown
	}
	if !found || !newest.JSON {
		return nil
	}
	return metadata.Parse(newest.Data).ACL
}

// Defaults returns the lists set by the newest event of $settings.
func (l Lists) Defaults() access.Defaults {
	settings, found, err := l.Store.Newest("$settings")
	switch {
	case err != nil:
		return access.Defaults{User: access.AdminsOnly(), System: access.AdminsOnly()}
	case !found:
		return access.Defaults{}
	}
	return access.ParseSettings(settings.Data)
}
