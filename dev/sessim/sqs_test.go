package sessim_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"orderflow/dev/sessim"
)

// queueClient is the AWS SDK's client at the stand-in.
type queueClient struct {
	t *testing.T
	*sqs.Client
	url string
}

func queueOf(t *testing.T, server *sessim.Server) queueClient {
	client := sqs.New(sqs.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL()), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
	return queueClient{t, client, server.QueueURL()}
}

// receive receives up to ten messages, hidden for the given seconds.
func (q queueClient) receive(visibility int32) []types.Message {
	q.t.Helper()
	output, err := q.ReceiveMessage(q.t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: aws.String(q.url), MaxNumberOfMessages: 10, VisibilityTimeout: visibility,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	require.NoError(q.t, err)
	return output.Messages
}

func (q queueClient) hide(m types.Message, visibility int32) error {
	_, err := q.ChangeMessageVisibility(q.t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: aws.String(q.url), ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: visibility,
	})
	return err
}

func (q queueClient) delete(m types.Message) {
	q.t.Helper()
	_, err := q.DeleteMessage(q.t.Context(), &sqs.DeleteMessageInput{QueueUrl: aws.String(q.url), ReceiptHandle: m.ReceiptHandle})
	require.NoError(q.t, err)
}

func TestQueue_ReceivesUntilDeleted(t *testing.T) {
	t.Parallel()
	server := start(t, sessim.Options{})
	q := queueOf(t, server)
	sent, err := q.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(q.url), MessageBody: aws.String("hello")})
	require.NoError(t, err)

	first := q.receive(60)
	require.Len(t, first, 1)
	require.Equal(t, []string{"hello", *sent.MessageId, "1"}, []string{*first[0].Body, *first[0].MessageId, first[0].Attributes["ApproximateReceiveCount"]})
	require.Empty(t, q.receive(60), "it is in flight")
	require.NoError(t, q.hide(first[0], 0))
	second := q.receive(60)
	require.Equal(t, "2", second[0].Attributes["ApproximateReceiveCount"])
	q.delete(first[0]) // an old receipt deletes nothing
	server.ExpireVisibility()
	third := q.receive(60)
	require.Len(t, third, 1)
	output, err := q.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{
		QueueUrl: aws.String(q.url), Entries: []types.DeleteMessageBatchRequestEntry{{Id: aws.String("0"), ReceiptHandle: third[0].ReceiptHandle}},
	})
	require.NoError(t, err)
	require.Len(t, output.Successful, 1)
	server.ExpireVisibility()
	require.Empty(t, q.receive(60))
	require.ErrorContains(t, q.hide(third[0], 0), "MessageNotInflight")
}

func TestQueue_MovesToDeadLetterQueue(t *testing.T) {
	t.Parallel()
	server := start(t, sessim.Options{})
	q := queueOf(t, server)
	require.NoError(t, server.SendEvent("poison"))
	for range 10 {
		require.Len(t, q.receive(60), 1)
		server.ExpireVisibility()
	}
	require.Empty(t, q.receive(60))
	dead, _ := server.Queued(sessim.DeadQueue)
	require.Equal(t, 1, dead)
	q.url = strings.Replace(q.url, sessim.EventsQueue, sessim.DeadQueue, 1)
	require.Equal(t, "poison", *q.receive(60)[0].Body)
}

func TestQueue_LongPoll(t *testing.T) {
	t.Parallel()
	server := start(t, sessim.Options{})
	q := queueOf(t, server)
	received := make(chan string, 1)
	go func() {
		output, err := q.ReceiveMessage(context.WithoutCancel(t.Context()), &sqs.ReceiveMessageInput{QueueUrl: aws.String(q.url), WaitTimeSeconds: 20})
		if err == nil && len(output.Messages) == 1 {
			received <- *output.Messages[0].Body
		}
		close(received)
	}()
	require.NoError(t, server.SendEvent("late"))
	require.Equal(t, "late", <-received)
}

func TestQueue_Refusals(t *testing.T) {
	t.Parallel()
	server := start(t, sessim.Options{})
	q := queueOf(t, server)
	_, err := q.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(server.URL() + "/000000000000/other")})
	var missing *types.QueueDoesNotExist
	require.ErrorAs(t, err, &missing)
	attributes, err := q.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: aws.String(q.url), AttributeNames: []types.QueueAttributeName{"All"}})
	require.NoError(t, err)
	require.Contains(t, attributes.Attributes["RedrivePolicy"], `"maxReceiveCount":10`)
	server.SetAccount(sessim.Account{DeniedActions: []string{"ReceiveMessage"}})
	_, err = q.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(q.url)})
	requireCode(t, err, "AccessDenied") // the code of the older protocol, which SQS sends along
	server.SetAccount(sessim.Account{RefuseAllCalls: "InvalidClientTokenId"})
	_, err = q.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(q.url)})
	requireCode(t, err, "InvalidClientTokenId")
}

func TestEvents_OfOutcomes(t *testing.T) {
	t.Parallel()
	server := start(t, sessim.Options{Envelope: sessim.EnvelopeRaw})
	q := queueOf(t, server)
	types := func() (all []string) {
		for _, m := range q.receive(60) {
			eventType, _, _ := strings.Cut(strings.TrimPrefix((*m.Body)[strings.Index(*m.Body, `"eventType":`):], `"eventType":"`), `"`)
			all = append(all, eventType)
			q.delete(m)
		}
		return all
	}
	with := func(to string) string {
		input := mail(to, "order-1")
		input.ConfigurationSetName = aws.String("orders")
		output, err := client(server).SendEmail(t.Context(), input)
		require.NoError(t, err)
		return *output.MessageId
	}
	send(t, server, "jane@example.com", "order-1")
	require.Empty(t, types(), "without a configuration set there are no events")
	id := with("jane@example.com")
	require.Equal(t, []string{"Send", "Delivery"}, types())
	with("bounce+order-1@simulator.amazonses.com")
	require.Equal(t, []string{"Send", "Bounce"}, types())
	with("complaint@simulator.amazonses.com")
	require.Equal(t, []string{"Send", "Delivery", "Complaint"}, types())
	require.NoError(t, server.AddFault(sessim.Fault{Fault: sessim.OutcomeSilent}))
	with("jane@example.com")
	require.Equal(t, []string{"Send"}, types())
	status, _, _ := ask(t, server, "POST", "/events", `{"messageId":"`+id+`","outcome":"complained"}`)
	require.Equal(t, 204, status)
	require.Len(t, types(), 3)
	status, _, body := ask(t, server, "POST", "/events", `{"messageId":"`+id+`","outcome":"lost"}`)
	require.Equal(t, 400, status, body)
}
