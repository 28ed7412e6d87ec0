package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"orderflow/internal/postgres"
)

func TestGrantAPI_ReadsNothingPersonal(t *testing.T) {
	t.Parallel()
	owner, err := pgx.Connect(t.Context(), shared.postgresURL)
	require.NoError(t, err)
	defer func() { require.NoError(t, owner.Close(t.Context())) }()
	role := "api_" + strings.ReplaceAll(uuid.NewString(), "-", "") // the cluster's, and there may be others already
	_, err = owner.Exec(t.Context(), "CREATE ROLE "+role+" LOGIN PASSWORD 'secret'; SELECT orderflow_grant_api('"+role+"')")
	require.NoError(t, err)
	address, err := url.Parse(shared.postgresURL)
	require.NoError(t, err)
	address.User = url.UserPassword(role, "secret")
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: address.String()})
	require.NoError(t, err)
	defer pool.Close()
	require.NoError(t, pool.CheckSchema(t.Context()))

	a := shared.api()
	a.rows, a.view, a.lists = postgres.NewFulfillments(pool, postgres.EmailRules{}), postgres.NewCustomerView(pool), postgres.NewCustomerView(pool)
	c := newClient(t, a)
	id, customerID := c.fulfill()
	c.ship(id)
	c.awaitCustomer(customerID, func(found customer) bool { return found.Orders == 1 })
	require.Equal(t, http.StatusOK, c.get("/orders/"+id).status)
	for _, path := range []string{"/?order=" + id, "/?customer=" + customerID, "/list", "/list?late=true", "/orders/stats"} {
		require.Equal(t, http.StatusOK, c.get(path).status, path)
	}
	c.saying("/?order="+id, "Shipment email sent")
	require.NotContains(t, c.get("/").body, "PostgreSQL is unavailable")

	conn, err := pgx.Connect(t.Context(), address.String())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	for _, query := range []string{
		"SELECT recipient FROM email_delivery", "SELECT recipient_name FROM order_fulfillment", "SELECT address_lines FROM order_fulfillment",
		"SELECT product_name FROM order_fulfillment_line", "UPDATE order_fulfillment SET code = 'x'",
	} {
		_, err := conn.Exec(t.Context(), query)
		require.ErrorContains(t, err, "permission denied", query)
	}
}
