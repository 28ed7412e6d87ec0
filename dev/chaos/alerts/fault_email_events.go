package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"

	"orderflow/dev/sessim"
)

// queueMissing restarts the workers of orders with the URL of a queue that does not exist.
func queueMissing(ctx context.Context, s *session) (func(context.Context) error, error) {
	return s.consumeNothing, s.consume(ctx, s.queueURL()+"-of-another")
}

// malformedEvent sends a message to the queue that is no event. The repair empties the
// queue: in production its redrive policy moves the message out of it, within two hours.
func malformedEvent(ctx context.Context, s *session) (func(context.Context) error, error) {
	heal := func(ctx context.Context) error {
		return errors.Join(s.askSQS(ctx, "PurgeQueue", nil), s.consumeNothing(ctx))
	}
	if err := s.consume(ctx, s.queueURL()); err != nil {
		return nil, err
	}
	return heal, s.askSQS(ctx, "SendMessage", map[string]string{"MessageBody": "no event"})
}

// consume restarts the workers of orders so that they consume SES's events from a queue.
// Without a fault they consume none: an event would settle an email of unknown outcome.
func (s *session) consume(ctx context.Context, queue string) error {
	return s.restartWorkers(ctx, map[string]string{
		"AWS_ENDPOINT_URL_SQS": s.stores.SES, "EMAIL_EVENTS_QUEUE_URL": queue, "EMAIL_CONFIGURATION_SET": "orders",
	})
}

func (s *session) consumeNothing(ctx context.Context) error { return s.restartWorkers(ctx, nil) }

func (s *session) restartWorkers(ctx context.Context, variables map[string]string) error {
	var failures []error
	for _, name := range []string{"worker-1", "worker-2"} {
		failures = append(failures, s.rig.Process(name).Restart(ctx, variables))
	}
	return errors.Join(failures...)
}

func (s *session) queueURL() string { return s.stores.SES + sessim.EventsQueuePath }

// askSQS calls an operation of SQS on the queue of events. The stand-in does not verify
// signatures, so this one is none.
func (s *session) askSQS(ctx context.Context, operation string, arguments map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	input := map[string]string{"QueueUrl": s.queueURL()}
	maps.Copy(input, arguments)
	body, err := json.Marshal(input)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.stores.SES+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=alerts, Signature=none")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s: %s", operation, response.Status)
	}
	return nil
}
