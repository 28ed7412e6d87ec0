package sessim

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The part of SQS's JSON protocol that consumers of events and operators need: each call
// is a POST to / whose header X-Amz-Target names the operation.
const (
	sqsTarget  = "AmazonSQS."
	sqsAccount = "000000000000"
	sqsMaxBody = 256 << 10
)

// sqsError is an error in SQS's words. The header x-amzn-query-error has the older name of
// its code.
type sqsError struct{ code, query, message string }

func queueMissing() *sqsError {
	return &sqsError{"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."}
}

func invalidValue(message string) *sqsError {
	return &sqsError{"InvalidParameterValue", "InvalidParameterValue", message}
}

// sqsRequest has the members of all supported calls.
type sqsRequest struct {
	QueueURL            string `json:"QueueUrl"`
	QueueName           string
	MessageBody         string
	ReceiptHandle       string
	VisibilityTimeout   *int
	WaitTimeSeconds     *int
	MaxNumberOfMessages *int
	AttributeNames      []string
	Entries             []struct {
		ID                string `json:"Id"`
		ReceiptHandle     string
		VisibilityTimeout *int
	}
}

// sqs serves one call.
func (s *Server) sqs(w http.ResponseWriter, r *http.Request) {
	operation, found := strings.CutPrefix(r.Header.Get("X-Amz-Target"), sqsTarget)
	var request sqsRequest
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil || !found {
		writeSQSError(w, &sqsError{"SerializationException", "MalformedInput", "The request cannot be read."})
		return
	}
	if a := s.currentAccount(); a.RefuseAllCalls != "" {
		writeSQSError(w, &sqsError{a.RefuseAllCalls, a.RefuseAllCalls, "The security token included in the request is invalid."})
		return
	} else if slices.Contains(a.DeniedActions, operation) {
		writeSQSError(w, &sqsError{"AccessDeniedException", "AccessDenied", "User is not authorized to perform: sqs:" + operation})
		return
	}
	response, failure := s.sqsCall(r, operation, request)
	if failure != nil {
		writeSQSError(w, failure)
		return
	}
	writeSQS(w, http.StatusOK, response)
}

func (s *Server) sqsCall(r *http.Request, operation string, request sqsRequest) (any, *sqsError) {
	if operation == "GetQueueUrl" {
		if _, ok := s.queues[request.QueueName]; !ok {
			return nil, queueMissing()
		}
		return map[string]string{"QueueUrl": s.queueURL(request.QueueName)}, nil
	}
	q, ok := s.queueAt(request.QueueURL)
	if !ok {
		return nil, queueMissing()
	}
	switch operation {
	case "SendMessage":
		return sqsSend(q, request)
	case "ReceiveMessage":
		return s.sqsReceive(r, q, request)
	case "DeleteMessage":
		q.remove(request.ReceiptHandle)
		return struct{}{}, nil
	case "DeleteMessageBatch":
		return sqsDeleteBatch(q, request)
	case "ChangeMessageVisibility":
		return sqsHide(q, request)
	case "GetQueueAttributes":
		return s.sqsAttributes(q), nil
	case "PurgeQueue":
		q.purge()
		return struct{}{}, nil
	default:
		return nil, &sqsError{"InvalidAction", "InvalidAction", "The stand-in has no " + operation + "."}
	}
}

func sqsSend(q *queue, request sqsRequest) (any, *sqsError) {
	if request.MessageBody == "" || len(request.MessageBody) > sqsMaxBody {
		return nil, invalidValue("One or more parameters are invalid. Reason: Message must be between 1 and 262144 bytes.")
	}
	m, ok := q.send(request.MessageBody)
	if !ok {
		return nil, &sqsError{"OverLimit", "OverLimit", "Too many messages."}
	}
	return map[string]string{"MessageId": m.id, "MD5OfMessageBody": m.md5()}, nil
}

func (s *Server) sqsReceive(r *http.Request, q *queue, request sqsRequest) (any, *sqsError) {
	most, ok := within(request.MaxNumberOfMessages, 1, 1, maxReceive)
	visibility, visibilityOK := within(request.VisibilityTimeout, int(defaultVisibility/time.Second), 0, int(maxVisibility/time.Second))
	wait, waitOK := within(request.WaitTimeSeconds, 0, 0, int(maxWait/time.Second))
	if !ok || !visibilityOK || !waitOK {
		return nil, invalidValue("Value for a parameter is invalid.")
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.polling, cancel)()
	found := q.receive(ctx.Done(), most, seconds(visibility), seconds(wait))
	messages := make([]map[string]any, len(found))
	for i, m := range found {
		messages[i] = map[string]any{
			"MessageId": m.id, "ReceiptHandle": m.receipt, "Body": m.body, "MD5OfBody": m.md5(),
			"Attributes": map[string]string{
				"ApproximateReceiveCount": strconv.Itoa(m.receives), "SentTimestamp": strconv.FormatInt(m.sent.UnixMilli(), 10),
				"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.first.UnixMilli(), 10),
			},
		}
	}
	if len(messages) == 0 {
		return struct{}{}, nil
	}
	return map[string]any{"Messages": messages}, nil
}

func sqsDeleteBatch(q *queue, request sqsRequest) (any, *sqsError) {
	if len(request.Entries) == 0 || len(request.Entries) > maxReceive {
		return nil, &sqsError{"TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "1 to 10 entries."}
	}
	done := make([]map[string]string, len(request.Entries))
	for i, entry := range request.Entries {
		q.remove(entry.ReceiptHandle)
		done[i] = map[string]string{"Id": entry.ID}
	}
	return map[string]any{"Successful": done, "Failed": []any{}}, nil
}

func sqsHide(q *queue, request sqsRequest) (any, *sqsError) {
	visibility, ok := within(request.VisibilityTimeout, 0, 0, int(maxVisibility/time.Second))
	if !ok {
		return nil, invalidValue("Value for parameter VisibilityTimeout is invalid.")
	}
	if !q.hide(request.ReceiptHandle, seconds(visibility)) {
		return nil, &sqsError{"MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", "The message is not in flight."}
	}
	return struct{}{}, nil
}

func (s *Server) sqsAttributes(q *queue) any {
	visible, inFlight := q.counts()
	attributes := map[string]string{
		"QueueArn":                              "arn:aws:sqs:us-east-1:" + sqsAccount + ":" + q.name,
		"ApproximateNumberOfMessages":           strconv.Itoa(visible),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(inFlight),
		"VisibilityTimeout":                     strconv.Itoa(int(defaultVisibility / time.Second)),
		"MessageRetentionPeriod":                "345600",
	}
	if q.dead != nil {
		attributes["RedrivePolicy"] = `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:` + sqsAccount + ":" + q.dead.name +
			`","maxReceiveCount":` + strconv.Itoa(q.most) + `}`
	}
	return map[string]any{"Attributes": attributes}
}

// queueURL returns the URL of a queue in the form of SQS's.
func (s *Server) queueURL(name string) string { return s.URL() + "/" + sqsAccount + "/" + name }

// queueAt returns the queue of a URL. Only its path counts, because clients may reach the
// stand-in under other addresses.
func (s *Server) queueAt(address string) (*queue, bool) {
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, false
	}
	name, ok := strings.CutPrefix(parsed.Path, "/"+sqsAccount+"/")
	q, known := s.queues[name]
	return q, ok && known
}

func within(value *int, standard, low, high int) (int, bool) {
	if value == nil {
		return standard, true
	}
	return *value, *value >= low && *value <= high
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

func writeSQSError(w http.ResponseWriter, e *sqsError) {
	w.Header().Set("X-Amzn-Query-Error", e.query+";Sender")
	writeSQS(w, http.StatusBadRequest, map[string]string{"__type": "com.amazonaws.sqs#" + e.code, "message": e.message})
}

func writeSQS(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // the client has disconnected if this fails
}
