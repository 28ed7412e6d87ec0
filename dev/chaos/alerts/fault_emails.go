package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"orderflow/dev/chaos/internal/rig"
)

// many is more emails than any fault lasts for.
const many = 1_000_000

// enough is more emails per second than the workload has.
const enough = "1000"

// emailFaults has the two that restart the workers at its ends: three restarts within 15
// seconds, 15 minutes in production, are an alert.
func emailFaults() []fault {
	restarted := []string{"OrderflowProcessDown", "OrderflowReplicaNotReady", "OrderflowCountsMissing"} // one worker after the other
	return []fault{
		{"email-event-malformed", "a message in the queue of SES's events is no event", malformedEvent,
			[]string{"OrderflowEmailEventsLeft"}, restarted},
		{"ses-throttles", "SES accepts no email for a while", emails("throttled"), []string{"OrderflowEmailsFailing"}, nil},
		{"ses-paused", "sending is paused for the account", emails("paused"), []string{"OrderflowEmailsFailing"}, nil},
		{"ses-responses-lost", "SES accepts emails and its responses are lost", emails("lost"), []string{"OrderflowEmailsUnknown", "OrderflowEmailsFailing"}, nil},
		{"email-rate-low", "the rate of the email queue is below that of the orders", lowRate, []string{"OrderflowEmailsSlow"}, nil},
		{"email-events-queue-missing", "the workers' settings name a queue of SES's events that does not exist", queueMissing,
			[]string{"OrderflowEmailEventsStopped"}, restarted},
	}
}

// emails makes every email meet a fault of SES.
func emails(kind string) func(context.Context, *session) (func(context.Context) error, error) {
	return func(ctx context.Context, s *session) (func(context.Context) error, error) {
		return s.forgetFaults, s.addMailFault(ctx, kind)
	}
}

func (s *session) addMailFault(ctx context.Context, kind string) error {
	body := fmt.Appendf(nil, `{"fault":%q,"count":%d}`, kind, many)
	return s.askSES(ctx, http.MethodPost, body)
}

func (s *session) forgetFaults(ctx context.Context) error {
	return s.askSES(ctx, http.MethodDelete, nil)
}

func (s *session) askSES(ctx context.Context, method string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, s.stores.SES+"/faults", bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s faults of SES: %s", method, response.Status)
	}
	return nil
}

// lowRate limits the queue to an email per second.
func lowRate(ctx context.Context, s *session) (func(context.Context) error, error) {
	set := func(ctx context.Context, rate string) error {
		return s.rig.Run(ctx, rig.Orderflow, "setup", "--only", "temporal", "--email-rate", rate)
	}
	return func(ctx context.Context) error { return set(ctx, enough) }, set(ctx, "1")
}
