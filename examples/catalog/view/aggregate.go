package view

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"example.com/catalog/video"
)

// aggregateVideo applies an event of a video to its row. It returns video.ErrInvalid for a
// message that is no event of a video, or not the next one.
func aggregateVideo(ctx context.Context, tx pgx.Tx, m video.Message) error {
	id, err := videoOf(m, video.Category)
	if err != nil {
		return err
	}
	r, err := find(ctx, tx, id)
	if errors.Is(err, ErrNotFound) {
		r, err = row{Video: Video{ID: id, Status: video.StatusReceived}}, nil
	}
	if err == nil {
		err = r.apply(m)
	}
	if err != nil {
		return err
	}
	return save(ctx, tx, r)
}

// aggregateViewing counts a view. It returns video.ErrInvalid for a message that is none.
func aggregateViewing(ctx context.Context, tx pgx.Tx, m video.Message) error {
	id, err := videoOf(m, video.ViewingCategory)
	if err == nil && m.Type != video.TypeViewed {
		err = fmt.Errorf("%w: type %s", video.ErrInvalid, m.Type)
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO viewings (video_id, views) VALUES ($1, 1)
		ON CONFLICT (video_id) DO UPDATE SET views = viewings.views + 1`, id)
	return err
}

// videoOf returns the id of the video that a message's stream belongs to.
func videoOf(m video.Message, category string) (string, error) {
	id := strings.TrimPrefix(m.Stream, category+"-")
	return id, video.ParseID(id)
}
