package e2e_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/faultproxy"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// orderCost is what the worker causes for one order.
type orderCost struct {
	events, tasks, actions, payload int   // of the workflow
	statements, transactions        int64 // in PostgreSQL
	reads, appends                  int   // in KurrentDB
}

// The table of docs/orders.md is compared with these numbers. They are those of an order
// of one line whose customer's account is in the worker's cache, and that ships by a
// signal after its confirmation was sent.
func TestCost_ShippedOrder(t *testing.T) {
	t.Parallel()
	m := newMeteredWorker(t)
	first := m.begin(orderSpec{customer: "customer-cost"})
	m.ship(first)
	before := m.stores()
	o := m.begin(orderSpec{customer: "customer-cost"})
	m.ship(o)
	after := m.stores()
	history := o.history(o.id)
	cost := orderCost{
		events: len(history.GetEvents()), tasks: completedTasks(history), actions: billableActions(history), payload: payloadBytes(history),
		statements: after.statements - before.statements, transactions: after.transactions - before.transactions,
		reads: after.reads - before.reads, appends: after.appends - before.appends,
	}
	require.LessOrEqual(t, cost.payload, maxPayload)
	t.Logf("all payloads: %d bytes", cost.payload)
	cost.payload = maxPayload // ids and times vary in length
	require.Equal(t, orderCost{
		events: 26, tasks: 4, actions: 8, payload: maxPayload, statements: 22, transactions: 6, reads: 3, appends: 1,
	}, cost)
	cost.requireDocumented(t)
}

// maxPayload is the goal for all payloads of a shipped order, in bytes.
const maxPayload = 6 << 10

// requireDocumented compares the numbers with the page for users.
func (c orderCost) requireDocumented(t *testing.T) {
	t.Helper()
	page, err := os.ReadFile("../../docs/orders.md")
	require.NoError(t, err)
	for what, n := range map[string]int{
		"events in its history": c.events, "workflow tasks": c.tasks, "billable actions": c.actions,
		"SQL statements": int(c.statements), "SQL transactions, each one round trip": int(c.transactions),
		"KurrentDB reads": c.reads, "KurrentDB appends": c.appends,
	} {
		require.Contains(t, string(page), "| "+what+" | "+strconv.Itoa(n)+" |")
	}
}

// meteredWorker is a steppedWorker whose gate is open, and whose calls to the stores are
// counted.
type meteredWorker struct {
	*steppedWorker
	sql    *sqlMeter
	events *faultproxy.Relay
}

func newMeteredWorker(t *testing.T) *meteredWorker {
	t.Helper()
	shared := sharedStack(t)
	m := &meteredWorker{}
	metered := *shared
	metered.PostgresURL, m.sql = meterSQL(t, shared.PostgresURL)
	kurrent, err := url.Parse(shared.KurrentURL)
	require.NoError(t, err)
	m.events, err = faultproxy.StartRelay(kurrent.Host)
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.events.Close() })
	metered.KurrentURL = redirected(t, shared.KurrentURL, m.events.Addr())
	s := newStackClientFor(t, shared)
	s.stack = &metered
	m.steppedWorker = steppedWorkerOn(s, attemptsSucceed).start()
	m.gate.open()
	return m
}

func (m *meteredWorker) ship(o *orderUnderTest) {
	m.t.Helper()
	o.awaitMail(o.id, order.StatusFulfilling, "sent")
	o.signal(o.id, workflows.RecordShipmentMessage, shipped)
	o.end()
	require.Equal(m.t, []string{"shipped"}, o.row(o.id, "status"))
}

func (m *meteredWorker) stores() orderCost {
	return orderCost{
		statements: m.sql.statements.Load(), transactions: m.sql.transactions.Load(),
		reads: m.events.Count("Streams/Read"), appends: m.events.Count("Streams/Append"),
	}
}

// sqlMeter counts the statements that pass through it, which are the Execute messages of
// the extended protocol, and the transactions, which are the Sync messages after them. The
// pool's pings use the simple protocol and are not counted.
type sqlMeter struct{ statements, transactions atomic.Int64 }

// meterSQL returns the URL of a proxy to the server of a URL, and its meter.
func meterSQL(t *testing.T, server string) (string, *sqlMeter) {
	t.Helper()
	at, err := url.Parse(server)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	m := &sqlMeter{}
	target := at.Host
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			upstream, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				return
			}
			go func() {
				_, _ = io.Copy(client, upstream)
				_ = client.Close()
			}()
			go func() {
				m.forward(upstream, client)
				_ = upstream.Close()
			}()
		}
	}()
	return redirected(t, server, listener.Addr().String()), m
}

// forward copies the messages of a client without TLS until one of the ends closes. The
// first message has no type.
func (m *sqlMeter) forward(to io.Writer, from io.Reader) {
	executed := false
	for header := make([]byte, 4); ; header = make([]byte, 5) {
		if _, err := io.ReadFull(from, header); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(header[len(header)-4:])-4)
		if _, err := io.ReadFull(from, body); err != nil {
			return
		}
		switch {
		case len(header) == 5 && header[0] == 'E':
			m.statements.Add(1)
			executed = true
		case len(header) == 5 && header[0] == 'S' && executed:
			m.transactions.Add(1)
			executed = false
		}
		if _, err := to.Write(append(header, body...)); err != nil {
			return
		}
	}
}
