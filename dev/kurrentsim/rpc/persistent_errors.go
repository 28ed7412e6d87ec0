package rpc

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"

	"orderflow/dev/kurrentsim/groups"
)

// failGroup converts an error about a group into the status and the trailers that a real
// server sends.
func (s *Service) failGroup(ctx context.Context, key groups.Key, err error) error {
	details := []string{"stream-name", key.Stream}
	if key.Group != "" {
		details = append(details, "group-name", key.Group)
	}
	about := fmt.Sprintf("Subscription group %s on stream %s", key.Group, key.Stream)
	var unusable *groups.InvalidError
	switch {
	case errors.Is(err, groups.ErrNotFound):
		return refuse(ctx, codes.NotFound, about+" does not exist.", "persistent-subscription-does-not-exist", details...)
	case errors.Is(err, groups.ErrExists):
		return refuse(ctx, codes.AlreadyExists, about+" exists.", "persistent-subscription-exists", details...)
	case errors.Is(err, groups.ErrMaxSubscribers):
		return refuse(ctx, codes.FailedPrecondition, fmt.Sprintf("Maximum subscriptions reached for subscription group %s on stream %s.", key.Group, key.Stream),
			"maximum-subscribers-reached", details...)
	case errors.Is(err, groups.ErrDropped):
		return refuse(ctx, codes.Canceled, about+" was dropped.", "persistent-subscription-dropped", details...)
	case errors.As(err, &unusable):
		return refuse(ctx, codes.Internal, about+" failed: '"+err.Error()+"'", "persistent-subscription-failed",
			append(details, "reason", err.Error())...)
	case errors.Is(err, groups.ErrStopping):
		return errStopping
	case errors.Is(err, errNeverAnswered):
		unanswered, cancel := s.untilStopped(ctx)
		defer cancel()
		<-unanswered.Done()
		err = unanswered.Err()
		return s.fail(unanswered, err)
	}
	return s.fail(ctx, err)
}
