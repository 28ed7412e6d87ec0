package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"orderflow/dev/checker/internal/facts"
)

// message is the checked part of an accepted email.
type message struct {
	MessageID string            `json:"messageId"`
	To        string            `json:"to"`
	Tags      map[string]string `json:"tags"`
	Headers   map[string]string `json:"headers"`
	At        time.Time         `json:"at"`
}

// inbox reads the accepted emails one by one: together with their bodies they may not fit
// into memory.
func (r *reader) inbox(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(r.sources.InboxURL, "/")+"/messages", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	decoder := json.NewDecoder(response.Body)
	if _, err := decoder.Token(); err != nil { // start of the list
		return err
	}
	for decoder.More() {
		var m message
		if err := decoder.Decode(&m); err != nil {
			return err
		}
		o := r.facts.Order(m.Headers["X-Order-Id"])
		o.Messages = append(o.Messages, facts.Message{
			ID: m.MessageID, Kind: m.Tags["kind"], OrderTag: m.Tags["order_id"], To: m.To, At: m.At,
		})
	}
	_, err = decoder.Token() // end of the list: a truncated list is an error
	return err
}
