package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// lookAtEvents adds the events about emails that the workers have not consumed.
func (w *Load) lookAtEvents(ctx context.Context, known *resting) error {
	left, err := w.mail.events(ctx)
	if err == nil && left > 0 {
		known.moving = append(known.moving, fmt.Sprintf("%d email events are not consumed", left))
	}
	return err
}

// events returns how many events the provider's queues hold.
func (m *mail) events(ctx context.Context) (left int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url+"/queues", http.NoBody)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return 0, errors.New(answer.Status)
	}
	var queues []struct{ Visible, InFlight int }
	if err := json.NewDecoder(answer.Body).Decode(&queues); err != nil {
		return 0, err
	}
	for _, q := range queues {
		left += q.Visible + q.InFlight
	}
	return left, nil
}
