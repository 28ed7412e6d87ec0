package collect

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

// remains searches every row of an erased order, in each table that has orders, for
// personal data of any order.
func (r *reader) remains(ctx context.Context, tx pgx.Tx) error {
	found, err := tx.Query(ctx, `SELECT c.table_name::text FROM information_schema.columns c
		JOIN information_schema.tables t USING (table_schema, table_name)
		WHERE c.table_schema = 'public' AND c.column_name = 'order_id' AND t.table_type = 'BASE TABLE' ORDER BY 1`)
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, table := range tables {
		if err := r.remainsIn(ctx, tx, table); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) remainsIn(ctx context.Context, tx pgx.Tx, table string) error {
	rows, err := tx.Query(ctx, `SELECT t.order_id, t::text FROM `+pgx.Identifier{table}.Sanitize()+` t
		WHERE t.order_id IN (SELECT order_id FROM order_fulfillment WHERE erased_at IS NOT NULL)`)
	if err != nil {
		return err
	}
	var id, text string
	_, err = pgx.ForEachRow(rows, []any{&id, &text}, func() error {
		if row := r.facts.Order(id).Row; row != nil && r.markers.Find([]byte(text)) && !slices.Contains(row.Remains, table) {
			row.Remains = append(row.Remains, table)
		}
		return nil
	})
	return err
}
