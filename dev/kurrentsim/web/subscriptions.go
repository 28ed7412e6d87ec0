package web

import (
	"errors"
	"net/http"

	"orderflow/dev/kurrentsim/groups"
	"orderflow/dev/kurrentsim/store"
)

// subscriptions lists all groups.
func (b *browser) subscriptions(*http.Request) (view, error) {
	return view{Title: "Persistent subscriptions", Tab: "subscriptions", Body: b.Groups.List("")}, nil
}

type subscriptionBody struct {
	groups.Info
	Messages []groups.Parked
	Newest   bool // the page begins with the newest parked message
	Older    *int64
}

// subscription shows one group and its parked messages, newest first.
func (b *browser) subscription(r *http.Request) (view, error) {
	query := r.URL.Query()
	key := groups.Key{Stream: query.Get("stream"), Group: query.Get("group")}
	from, err := number(r, "from", store.DeletedRevision)
	if err != nil {
		return view{}, err
	}
	info, err := b.Groups.Info(key)
	if err != nil {
		return view{}, missingGroup(key, err)
	}
	parked, err := b.Groups.Parked(key, from, pageSize)
	if err != nil {
		return view{}, missingGroup(key, err)
	}
	body := subscriptionBody{Info: info, Messages: parked.Messages, Newest: from == store.DeletedRevision}
	if !parked.End {
		body.Older = &parked.Next
	}
	return view{Title: key.Group + " on " + key.Stream, Tab: "subscriptions", Body: body}, nil
}

// missingGroup also covers a group that was deleted while it was read.
func missingGroup(key groups.Key, err error) error {
	if errors.Is(err, groups.ErrNotFound) || errors.Is(err, groups.ErrDropped) {
		return notFound("There is no group %s on %s.", key.Group, key.Stream)
	}
	return err
}
