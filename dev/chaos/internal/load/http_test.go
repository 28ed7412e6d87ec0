package load

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

// said is an answer that an api gives.
type said struct {
	status int
	body   string
}

func problemSaid(status int, detail string) said {
	body, _ := json.Marshal(problem{Title: http.StatusText(status), Status: status, Detail: detail}) // strings and a number
	return said{status, string(body)}
}

// asked is an order whose api gives these answers, one after the other; the last one
// again and again.
func asked(t *testing.T, answers ...said) *orderDriver {
	t.Helper()
	p := made(t, Options{Seed: 1, HTTP: 1}, 1)[0]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		next := answers[0]
		if len(answers) > 1 {
			answers = answers[1:]
		}
		if next.status == 0 {
			panic(http.ErrAbortHandler) // the answer is lost
		}
		w.Header().Set("Content-Type", "application/json")
		if next.status >= http.StatusBadRequest {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		w.WriteHeader(next.status)
		_, _ = w.Write([]byte(next.body))
	}))
	t.Cleanup(server.Close)
	p.id = "order-1"
	return &orderDriver{placement: p, api: newAPIClient([]string{server.URL})}
}

const state = `{"orderId":"order-1","status":"`

func TestRequest_ChecksResponses(t *testing.T) {
	t.Parallel()
	lost, outage := said{}, problemSaid(503, "a store does not answer")
	created, again := said{201, state + `pending"}`}, said{200, state + `pending"}`}
	for name, test := range map[string]struct {
		do      step
		answers []said
		wrong   string // empty: nothing is
	}{
		"placed at once":                      {post, []said{created}, ""},
		"placed by a request without answer":  {post, []said{lost, outage, again}, ""},
		"placed by nobody":                    {post, []said{again}, "200 for an order that nobody had placed"},
		"placed twice":                        {steps(post, post), []said{created, created}, "201 for an order that was answered 201 before"},
		"another one placed":                  {post, []said{{201, `{"orderId":"order-2","status":"pending"}`}}, `201 says "pending" of "order-2"`},
		"a good order is refused":             {post, []said{problemSaid(422, "must be an order")}, "a good order was answered 422 must be an order"},
		"the same order is a conflict":        {post, []said{lost, problemSaid(409, "another order")}, "a good order was answered 409"},
		"another order is the same":           {conflictingPost, []said{again}, "another order under an id that is taken was answered 200"},
		"no order is an order":                {postInvalid, []said{created}, "what is no order was answered 201"},
		"no order is none":                    {postInvalid, []said{problemSaid(422, "must not be")}, ""},
		"a fault of its own":                  {post, []said{problemSaid(500, ""), created}, "POST /orders: 500"},
		"a fault that is no problem":          {post, []said{{502, "gone"}, created}, "502 without saying so as a problem"},
		"an outage that shows addresses":      {post, []said{problemSaid(503, "dial tcp 127.0.0.1:5433"), created}, "503 shows what is inside"},
		"an order that is not there":          {look, []said{problemSaid(404, "there is no such order")}, "an order that is placed was answered 404"},
		"cancelled":                           {cancelByHTTP, []said{{200, state + `cancelled"}`}}, ""},
		"cancelled and shipped":               {cancelByHTTP, []said{{200, state + `shipped"}`}}, "200 for an order that is shipped"},
		"a cancellation of an unknown order":  {cancelByHTTP, []said{problemSaid(404, "there is no such order")}, "a cancellation was answered 404"},
		"an account is opened":                {open, []said{lost, {200, `{}`}}, ""},
		"an account was open before":          {open, []said{{200, `{}`}}, "200 for an account that nobody had opened"},
		"an account is opened twice":          {steps(open, open), []said{{201, `{}`}}, "201 for an account that was answered 201 before"},
		"an account has another limit":        {open, []said{problemSaid(409, "another limit")}, "an account was opened with 409"},
		"a limit that is changed":             {raise, []said{outage, {200, `{}`}}, ""},
		"a limit of an account that is none":  {raise, []said{problemSaid(404, "no account")}, "a limit was changed with 404"},
		"an answer that is not what it seems": {post, []said{{201, "placed"}}, "201 with a body that is no JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := asked(t, test.answers...)
			require.NoError(t, test.do(t.Context(), l))
			if test.wrong == "" {
				require.Empty(t, l.blamed)
				return
			}
			require.NotEmpty(t, l.blamed)
			require.Contains(t, l.blamed[0].Detail, test.wrong)
			require.Equal(t, "order-1", l.blamed[0].Order)
		})
	}
}

func TestCancelByHTTP_ResponseStaysTrue(t *testing.T) {
	t.Parallel()
	cancelled, conflict := said{200, state + `cancelled"}`}, problemSaid(409, "the order is shipped")
	promised := said{202, state + `cancelling"}`}
	for name, test := range map[string]struct {
		answer said
		ended  order.Status
		broken bool
	}{
		"cancelled, and it is":           {cancelled, order.StatusCancelled, false},
		"cancelled, and it shipped":      {cancelled, order.StatusShipped, true},
		"too late, and it shipped":       {conflict, order.StatusShipped, false},
		"too late, and it was refused":   {conflict, order.StatusRejected, false},
		"too late, and it is cancelled":  {conflict, order.StatusCancelled, true},
		"too late, and it is open":       {conflict, order.StatusFulfilling, true},
		"promised, and it is cancelled":  {promised, order.StatusCancelled, false},
		"promised, and it shipped first": {promised, order.StatusShipped, false},
		"promised, and it is open":       {promised, order.StatusFulfilling, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := asked(t, test.answer)
			require.NoError(t, cancelByHTTP(t.Context(), l))
			require.Empty(t, l.blamed)
			require.Equal(t, test.broken, len(l.broken(test.ended)) > 0)
		})
	}
}

func TestRequest_EndsWithContext(t *testing.T) {
	t.Parallel()
	l := asked(t, said{})
	ctx, cancel := context.WithTimeout(t.Context(), 3*firstTry)
	defer cancel()
	require.ErrorIs(t, post(ctx, l), context.DeadlineExceeded)
	require.Positive(t, l.api.answers["POST /orders: 0"])
	require.False(t, l.ledger.accepted)
}
