package postgres_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

// constants are the texts of a type's constants, as the sources of its package declare
// them.
func constants[T ~string](t *testing.T, dir, typeName string) (values []T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			declared, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if name, ok := declared.Type.(*ast.Ident); !ok || name.Name != typeName {
				return true
			}
			for _, value := range declared.Values {
				text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
				require.NoError(t, err)
				values = append(values, T(text))
			}
			return true
		})
	}
	require.NotEmpty(t, values, typeName)
	return values
}

func TestEnumerations_ListEveryConstant(t *testing.T) {
	t.Parallel()
	require.ElementsMatch(t, constants[order.Status](t, "../order", "Status"), order.Statuses())
	require.ElementsMatch(t, constants[order.Reason](t, "../order", "Reason"), order.Reasons())
	require.ElementsMatch(t, constants[email.Kind](t, "../email", "Kind"), email.Kinds())
	require.ElementsMatch(t, constants[email.Status](t, "../email", "Status"), email.Statuses())
}

// A word that is new in Go and not in the schema's constraints would stop the first order
// that comes to it.
func TestSchema_StoresEveryFinalStatusAndReason(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	orders := 0
	end := func(status order.Status, reason order.Reason) {
		c := closing(status)
		body := placed()
		orders++
		c.OrderID, c.Reason, c.Order = fmt.Sprintf("order-%d", orders), reason, &body
		body.OrderID = c.OrderID
		if status == order.StatusShipped {
			c.Order, c.Carrier, c.TrackingNumber = nil, "UPS", "1Z999"
			_, err := w.StartFulfillment(t.Context(), fulfillment.Start{Order: body, Source: order.Source{EventID: sourceID}})
			require.NoError(t, err)
		}
		row, err := w.CloseFulfillment(t.Context(), c)
		require.NoError(t, err, "%s %s", status, reason)
		require.Equal(t, []string{string(status), string(reason)}, []string{string(row.Status), string(row.Reason)})
	}
	require.Equal(t, order.StatusFulfilling, w.start().Status)
	for _, status := range order.Statuses() {
		switch {
		case status == order.StatusShipped:
			end(status, "")
		case status.Final():
			for _, reason := range order.Reasons() {
				end(status, reason)
			}
		}
	}
	require.Equal(t, 1+2*len(order.Reasons()), orders, "a status that is new belongs into this test")
}

func TestSchema_StoresEveryEmailKindAndStatus(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	for _, kind := range append(email.Kinds(), email.ParcelKind(2), email.ParcelKind(order.MaxParcels)) {
		for _, status := range email.Statuses() {
			if status == email.StatusNone {
				continue
			}
			require.NoError(t, w.exec("BEGIN; SET LOCAL session_replication_role = replica")) // it needs no order, and keeps to the checks
			require.NoError(t, w.exec(`INSERT INTO email_delivery (order_id, kind, status, recipient, lease_until, message_id, unknown_at, unknown_attempts)
				VALUES ($1, $2, $3, 'a@example.com', CASE $3 WHEN 'sending' THEN now() END, CASE $3 WHEN 'sent' THEN 'm' END,
				CASE $3 WHEN 'unknown' THEN now() END, CASE $3 WHEN 'unknown' THEN 1 ELSE 0 END)`, orderID, kind, status), "%s %s", kind, status)
			require.NoError(t, w.exec("ROLLBACK"))
		}
	}
}

func TestSchema_StoresEveryEmailResolution(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	for _, resolution := range constants[email.Resolution](t, "../email", "Resolution") {
		require.NoError(t, w.exec("UPDATE email_delivery SET resolution = $1, resolved_at = now()", resolution), resolution)
	}
}
