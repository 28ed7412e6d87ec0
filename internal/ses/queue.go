package ses

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/internal/config"
)

const (
	receiveWait = 20 * time.Second // the longest long poll of SQS: an idle queue costs three calls a minute
	receiveMost = 10               // messages of one call, the most that SQS allows
	queueCall   = 10 * time.Second // for a call, beyond the wait of a long poll

	// visibility is how long a received message is hidden from other consumers. It exceeds
	// the time to handle all messages of a call, unless the stores are slow: a message that
	// is then received twice changes nothing.
	visibility = time.Minute
)

// QueueConfig says which queue holds the events about emails. Credentials and endpoint
// come from AWS's own variables and files.
type QueueConfig struct {
	URL  string        // of a standard queue of SQS in AWS_REGION
	Wait time.Duration // of a long poll; 0: 20s
}

// Queue is the queue that SES's events reach by SNS or EventBridge. It is safe for
// concurrent use.
type Queue struct {
	client *sqs.Client
	url    string
	wait   time.Duration
}

// QueueMessage is a message received from a queue. It stays in the queue until it is
// deleted, and is received again after a time.
type QueueMessage struct {
	ID       string
	Body     string
	Receives int // how often it was received, this time included

	receipt string
}

// OpenQueue checks the settings and returns the queue. Its error is a *config.Error with
// all faults. It does not call SQS.
func OpenQueue(ctx context.Context, c QueueConfig) (*Queue, error) { return openQueue(ctx, c) }

func openQueue(ctx context.Context, c QueueConfig, extra ...func(*awsconfig.LoadOptions) error) (*Queue, error) {
	const name = "EMAIL_EVENTS_QUEUE_URL"
	var faults []config.Fault
	if at, err := url.Parse(c.URL); err != nil || at.Host == "" || at.Path == "" || at.Scheme != "http" && at.Scheme != "https" {
		faults = append(faults, config.Fault{Name: name, Problem: "must be the URL of a queue of SQS"})
	}
	if c.Wait <= 0 {
		c.Wait = receiveWait
	}
	settings, err := awsconfig.LoadDefaultConfig(ctx, append(extra, awsconfig.WithHTTPClient(httpClient(receiveWait+queueCall)))...)
	if err != nil {
		faults = append(faults, config.Fault{Name: "AWS_*", Problem: "the AWS SDK rejects its environment or its shared configuration files"})
		return nil, &config.Error{Faults: faults}
	}
	client := sqs.NewFromConfig(settings, func(o *sqs.Options) {
		o.Retryer = aws.NopRetryer{} // the consumer retries, and counts it
	})
	if client.Options().Region == "" {
		faults = append(faults, config.Fault{Name: "AWS_REGION", Problem: "is required"})
	}
	if len(faults) > 0 {
		return nil, &config.Error{Faults: faults}
	}
	return &Queue{client: client, url: c.URL, wait: c.Wait}, nil
}

// Receive waits for messages and returns up to most of them, at most 10. It returns none
// if there were none for a while.
func (q *Queue) Receive(ctx context.Context, most int) ([]QueueMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, q.wait+queueCall)
	defer cancel()
	output, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: aws.String(q.url), MaxNumberOfMessages: int32(min(most, receiveMost)), WaitTimeSeconds: int32(q.wait / time.Second),
		VisibilityTimeout:           int32(visibility / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
	})
	if err != nil {
		return nil, queueError("sqs:ReceiveMessage", err)
	}
	received := make([]QueueMessage, len(output.Messages))
	for i, m := range output.Messages {
		receives, _ := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)]) // 0 if SQS does not say
		received[i] = QueueMessage{
			ID: aws.ToString(m.MessageId), Body: aws.ToString(m.Body), Receives: receives, receipt: aws.ToString(m.ReceiptHandle),
		}
	}
	return received, nil
}

// Delete removes messages that Receive returned, at most 10. After an error some of them
// may still be in the queue, and are received again.
func (q *Queue) Delete(ctx context.Context, messages []QueueMessage) error {
	ctx, cancel := context.WithTimeout(ctx, queueCall)
	defer cancel()
	entries := make([]types.DeleteMessageBatchRequestEntry, len(messages))
	for i, m := range messages {
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(m.receipt)}
	}
	output, err := q.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: aws.String(q.url), Entries: entries})
	switch {
	case err != nil:
		return queueError("sqs:DeleteMessage", err)
	case len(output.Failed) > 0:
		return fmt.Errorf("sqs:DeleteMessage: %d of %d not deleted (%s)", len(output.Failed), len(messages), safeCode(aws.ToString(output.Failed[0].Code)))
	default:
		return nil
	}
}

// Postpone hides a message for a time before it is received again.
func (q *Queue) Postpone(ctx context.Context, m QueueMessage, by time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, queueCall)
	defer cancel()
	_, err := q.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: aws.String(q.url), ReceiptHandle: aws.String(m.receipt), VisibilityTimeout: int32(by / time.Second),
	})
	return queueError("sqs:ChangeMessageVisibility", err)
}

// queueError returns an error without the text of SQS's response, or nil. It is blocked if
// no retry clears it until an operator has changed something: no such queue, bad
// credentials, a missing right.
func queueError(action string, err error) error {
	if err == nil {
		return nil
	}
	status, code, _ := parseResponse(err)
	text := fmt.Sprintf("%s: %s", action, failureCode(code, status, err))
	switch {
	case status >= 400 && status < 500 && status != http.StatusTooManyRequests && !isThrottling(code):
		return operatorError(text)
	case status == 0 && failureCode("", 0, err) == "request": // never sent: there are no credentials
		return operatorError(text)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", action, context.Canceled)
	default:
		return errors.New(text)
	}
}
