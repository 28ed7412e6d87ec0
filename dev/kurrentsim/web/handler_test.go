package web_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/groups"
	"orderflow/dev/kurrentsim/journal"
	"orderflow/dev/kurrentsim/store"
	"orderflow/dev/kurrentsim/subscription"
	"orderflow/dev/kurrentsim/web"
)

// hostile is used wherever clients choose the text that is shown.
const hostile = `x"><img src=x onerror=document.title='pwned'><script>document.title='pwned'</script>`

// testBrowser is a stream browser and its store.
type testBrowser struct {
	*testing.T
	store   *store.Store
	groups  *groups.Manager
	handler http.Handler
}

func newTestBrowser(t *testing.T) *testBrowser {
	t.Helper()
	events, _, err := store.Open(store.Config{Storage: &journal.Memory{}})
	require.NoError(t, err)
	manager, err := groups.Open(events, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	handler, err := web.New(web.Config{Store: events, Groups: manager, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() {
		manager.Stop()
		require.NoError(t, events.Close())
	})
	return &testBrowser{T: t, store: events, groups: manager, handler: handler}
}

func (s *testBrowser) append(stream, eventType, data string, count int) {
	s.Helper()
	batch := make([]store.NewEvent, count)
	for i := range batch {
		batch[i] = store.NewEvent{ID: uuid.New(), Type: eventType, JSON: true, Data: []byte(data), Metadata: []byte(`{"$correlationId":"c-1"}`)}
	}
	_, err := s.store.Append(stream, store.Any, batch)
	require.NoError(s, err)
}

// group creates a group on a stream, and parks its messages for the given reason.
func (s *testBrowser) group(stream, name, reason string, park int) {
	s.Helper()
	key := groups.Key{Stream: stream, Group: name}
	require.NoError(s, s.groups.Create(key, groups.Config{Settings: subscription.Settings{
		ResolveLinks: true, MaxRetryCount: 10, MinCheckpoint: 1, MaxCheckpoint: 1, ReadBatch: 20, HistoryBuffer: 500,
		MessageTimeout: time.Minute, CheckpointAfter: time.Second, Strategy: subscription.RoundRobin,
	}}))
	consumer, err := s.groups.Connect(key, max(park, 1), "alice", "")
	require.NoError(s, err)
	s.Cleanup(consumer.Close)
	for parked := 0; parked < park; {
		<-consumer.Arrived()
		for _, message := range consumer.Take() {
			require.NoError(s, consumer.Nack([]uuid.UUID{message.ID()}, subscription.Park, reason))
			parked++
		}
	}
	require.Eventually(s, func() bool {
		info, err := s.groups.Info(key)
		return err == nil && info.Parked == int64(park)
	}, time.Minute, time.Millisecond)
}

func (s *testBrowser) get(path string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	s.handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	return answer
}

// page returns a page that must exist.
func (s *testBrowser) page(path string) string {
	s.Helper()
	answer := s.get(path)
	require.Equal(s, http.StatusOK, answer.Code, "%s: %s", path, answer.Body)
	return answer.Body.String()
}

func TestStreamsPage_LastChangedFirst(t *testing.T) {
	t.Parallel()
	s := newTestBrowser(t)
	s.append("order-1", "placed", "{}", 1)
	s.append("order-2", "placed", "{}", 2)
	s.append("order-1", "paid", "{}", 1)
	page := s.page("/web/")
	require.Regexp(t, `(?s)name=order-1".*>1</a>.*paid.*name=order-2".*>1</a>.*placed`, page)
	require.NotContains(t, page, "$ce-order")
	require.Contains(t, s.page("/web/?system=1"), "$ce-order")
}

func TestStreamPage_NewestFirst(t *testing.T) {
	t.Parallel()
	s := newTestBrowser(t)
	s.append("order-1", "placed", "{}", 60)
	first := s.page("/web/stream?name=order-1")
	require.Regexp(t, `(?s)>59</a>.*>35</a>`, first)
	require.NotContains(t, first, ">34</a>")
	require.Contains(t, first, `from=34">Older`)
	require.NotContains(t, first, `">Newer`)
	second := s.page("/web/stream?name=order-1&from=34")
	require.Contains(t, second, `from=59">Newer`)
	require.Contains(t, second, `from=9">Older`)
	require.Contains(t, second, `from=24">Oldest`)
	last := s.page("/web/stream?name=order-1&from=9")
	require.NotContains(t, last, `">Older`)
	require.Contains(t, last, ">0</a>")
}

func TestStreamPage_TruncatedAndDeleted(t *testing.T) {
	t.Parallel()
	s := newTestBrowser(t)
	s.append("order-1", "placed", "{}", 40)
	s.append("$$order-1", "$metadata", `{"$tb":30}`, 1)
	page := s.page("/web/stream?name=order-1")
	require.Contains(t, page, ">30</a>")
	require.NotContains(t, page, ">29</a>")
	require.NotContains(t, page, `">Older`)
	s.append("$$order-1", "$metadata", `{"$tb":99}`, 1)
	require.Contains(t, s.page("/web/stream?name=order-1"), "No visible events")
	_, err := s.store.Delete("order-1", store.Any)
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, s.get("/web/stream?name=order-1").Code)
	_, err = s.store.Tombstone("order-1", store.Any)
	require.NoError(t, err)
	require.Contains(t, s.page("/web/stream?name=order-1"), "deleted permanently")
	require.Contains(t, s.page("/web/"), ">deleted<")
}

func TestStreamPage_Links(t *testing.T) {
	t.Parallel()
	s := newTestBrowser(t)
	s.append("order-1", "placed", `{"n":7}`, 1)
	s.append("order-2", "placed", "{}", 1)
	require.Contains(t, s.page("/web/stream?name=$ce-order"), "0@order-1")
	event := s.page("/web/event?stream=$ce-order&revision=0")
	require.Contains(t, event, "A link to")
	require.Contains(t, event, `<span class="number">7</span>`)
	require.Contains(t, event, "Metadata of the link")
	_, err := s.store.Tombstone("order-2", store.Any)
	require.NoError(t, err)
	require.Contains(t, s.page("/web/stream?name=$ce-order"), "target is gone")
	require.Contains(t, s.page("/web/event?stream=$ce-order&revision=1"), "target is gone")
}

func TestEventPage_FormatsBodies(t *testing.T) {
	t.Parallel()
	s := newTestBrowser(t)
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	for _, c := range []struct{ name, data, want string }{
		{"JSON is indented", `{"a":[1,true,"b"]}`, "<span class=\"key\">&#34;a&#34;</span>: [\n    <span class=\"number\">1</span>,\n    <span class=\"word\">true</span>"},
		{"text stays as it is", "two\nlines", "text, 9 B"},
		{"bytes are dumped", "\x00\xff", "00000000  00 ff"},
		{"nothing says so", "", "none"},
		{"deep JSON is not indented", deep, "text, 9.8 KiB"},
		{"long bodies are cut", strings.Repeat("ä", 1<<20), "only the beginning is shown"},
	} {
		s.append("order-"+c.name, "placed", c.data, 1)
		require.Contains(t, s.page("/web/event?stream=order-"+url.QueryEscape(c.name)), c.want, c.name)
	}
}

func TestSubscriptionPages(t *testing.T) {
	t.Parallel()
	s := newTestBrowser(t)
	s.append("order-1", "placed", "{}", 40)
	s.group("$ce-order", "fulfillment", "no such product", 30)
	list := s.page("/web/subscriptions")
	require.Regexp(t, `(?s)group=fulfillment.*name=%24ce-order.*(live|behind)`, list)
	page := s.page("/web/subscription?stream=$ce-order&group=fulfillment")
	require.Contains(t, page, "no such product")
	require.Contains(t, page, "alice")
	require.Contains(t, page, "29@order-1")
	require.NotContains(t, page, ">4@order-1<")
	require.Contains(t, s.page("/web/subscription?stream=$ce-order&group=fulfillment&from=4"), ">4@order-1<")
	info, err := s.groups.Info(groups.Key{Stream: "$ce-order", Group: "fulfillment"})
	require.NoError(t, err)
	require.EqualValues(t, 10, info.Lag, "thirty of forty are settled")
	require.Regexp(t, fmt.Sprintf(`(?s)<dt>Lag</dt><dd class="big">%d</dd>`, info.Lag), page)
	require.Regexp(t, `(?s)<dt>In flight</dt><dd class="big">10</dd>`, page)
}

func TestPages_BadRequests(t *testing.T) {
	t.Parallel()
	s := newTestBrowser(t)
	s.append("order-1", "placed", "{}", 1)
	for path, status := range map[string]int{
		"/web/stream":                                             http.StatusBadRequest,
		"/web/stream?name=order-1&from=x":                         http.StatusBadRequest,
		"/web/stream?name=order-1&from=-1":                        http.StatusBadRequest,
		"/web/stream?name=nowhere":                                http.StatusNotFound,
		"/web/event?stream=order-1&revision=9":                    http.StatusNotFound,
		"/web/event?stream=order-1&revision=99999999999999999999": http.StatusBadRequest,
		"/web/subscription?stream=s&group=g":                      http.StatusNotFound,
		"/web/elsewhere":                                          http.StatusNotFound,
	} {
		require.Equal(t, status, s.get(path).Code, path)
	}
	answer := httptest.NewRecorder()
	s.handler.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/web/stream?name=order-1", nil))
	require.Equal(t, http.StatusMethodNotAllowed, answer.Code)
}

func TestPages_EscapeEveryValue(t *testing.T) {
	t.Parallel()
	s := newTestBrowser(t)
	s.append("order-"+hostile, hostile, fmt.Sprintf(`{%q:%q}`, hostile, hostile), 1)
	s.group("order-"+hostile, hostile, hostile, 1)
	name := url.QueryEscape("order-" + hostile)
	for _, path := range []string{
		"/web/", "/web/stream?name=" + name, "/web/event?stream=" + name, "/web/subscriptions",
		"/web/subscription?stream=" + name + "&group=" + url.QueryEscape(hostile), "/web/stream?name=nowhere" + url.QueryEscape(hostile),
	} {
		answer := s.get(path)
		require.NotContains(t, answer.Body.String(), "<img src=x", path)
		require.NotContains(t, answer.Body.String(), "<script", path)
		require.Contains(t, answer.Body.String(), "pwned", path)
		require.Contains(t, answer.Header().Get("Content-Security-Policy"), "default-src 'none'")
		require.Equal(t, "nosniff", answer.Header().Get("X-Content-Type-Options"))
	}
}
