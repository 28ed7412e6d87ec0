package groups

import (
	"strconv"

	"github.com/google/uuid"

	"orderflow/dev/kurrentsim/store"
	"orderflow/dev/kurrentsim/subscription"
)

// replay reads parked messages back page by page, so that any number of them takes little
// memory.
type replay struct {
	next, end int64 // revisions in the parked stream, end exclusive
	finishing bool
}

// startReplay starts to offer the parked messages before stopAt again; a negative stopAt
// means all that exist now. It does nothing while a replay is running.
func (g *group) startReplay(stopAt int64) error {
	if g.replay != nil {
		return nil
	}
	page, err := g.events.ReadStream(g.key.parkedStream(), 0, store.Forwards, 1)
	if err != nil || page.State != store.Present {
		return err
	}
	end := page.Last + 1
	if stopAt >= 0 {
		end = min(end, stopAt)
	}
	if end > 0 {
		g.replay = &replay{end: end}
	}
	return nil
}

func (g *group) feedReplay() {
	r := g.replay
	for r != nil && !r.finishing {
		room := min(g.engine.ReplayRoom(), max(g.config.Settings.ReadBatch, 1), int(r.end-r.next))
		if r.next >= r.end {
			g.finishReplay()
			return
		}
		if room == 0 {
			return
		}
		messages, err := g.parkedMessages(room)
		if err != nil {
			g.logger.Error("read parked messages", "error", err)
			g.replay = nil
			return
		}
		g.engine.Replay(messages)
		g.moved = true
	}
}

// parkedMessages reads the next page. It resolves links even if the group does not. It
// leaves out entries whose target is gone.
func (g *group) parkedMessages(limit int) ([]*subscription.Message, error) {
	page, err := g.events.ReadStream(g.key.parkedStream(), g.replay.next, store.Forwards, limit)
	if err != nil {
		return nil, err
	}
	g.replay.next = page.Next
	if page.End {
		g.replay.next = g.replay.end
	}
	var messages []*subscription.Message
	for _, link := range page.Events {
		if link.Revision >= g.replay.end { // everything before this revision was dropped
			break
		}
		event, err := g.events.Resolve(link)
		if err != nil {
			return nil, err
		}
		if event.Event != nil && event.Link != nil {
			messages = append(messages, &subscription.Message{Event: event, Place: link.Revision, Previous: subscription.None})
		}
	}
	return messages, nil
}

// onlyAdmins is the access list that a replay leaves on the parked stream. The rest of
// its metadata is lost.
const onlyAdmins = `"$acl":{"$r":"$admins","$w":"$admins","$d":"$admins","$mr":"$admins","$mw":"$admins"}`

// finishReplay hides what was replayed from the parked stream and replaces its metadata,
// as the server does. It does so even if more was hidden before, which can then be read
// again.
func (g *group) finishReplay() {
	g.replay.finishing = true
	truncate := store.NewEvent{
		ID: uuid.New(), Type: store.TypeMetadata, JSON: true,
		Data: append(strconv.AppendInt([]byte(`{"$tb":`), g.replay.end, 10), `,`+onlyAdmins+`}`...),
	}
	g.background(func() error {
		_, err := g.events.Append("$$"+g.key.parkedStream(), store.Any, []store.NewEvent{truncate})
		return err
	}, func(err error) {
		if err != nil {
			g.logger.Error("truncate parked messages", "error", err)
		} else {
			g.parked.first = g.replay.end
		}
		g.replay = nil
	})
}
