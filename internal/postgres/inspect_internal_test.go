package postgres

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGrantsOf(t *testing.T) {
	t.Parallel()
	var texts []string
	for _, g := range grantsOf(`
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
    EXECUTE format('GRANT SELECT, INSERT ON order_fulfillment, email_delivery TO %I', role);
    EXECUTE format('GRANT SELECT (order_id,
        status) ON order_fulfillment TO %I', role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION begin_it(), finish_it(bigint, bigint) TO %I', role);
END`) {
		texts = append(texts, g.kind+": "+g.String())
	}
	require.Equal(t, []string{
		"schema: USAGE ON public",
		"table: SELECT ON order_fulfillment", "table: INSERT ON order_fulfillment",
		"table: SELECT ON email_delivery", "table: INSERT ON email_delivery",
		"table: SELECT (order_id, status) ON order_fulfillment",
		"function: EXECUTE ON begin_it()", "function: EXECUTE ON finish_it(bigint, bigint)",
	}, texts)
}
