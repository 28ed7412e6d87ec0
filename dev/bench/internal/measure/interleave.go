package measure

import (
	"context"
	"fmt"
)

// Side measures one side of a round, which is numbered from 0, and returns the sample.
type Side func(ctx context.Context, round int) (float64, error)

// Interleave measures both sides in each round. The first of a round is the second of the
// next, so that a machine or a server that becomes slower affects both equally.
func Interleave(ctx context.Context, rounds int, product, ceiling Side) ([]Round, error) {
	measured := make([]Round, rounds)
	for i := range measured {
		sides := []func() error{
			func() (err error) { measured[i].Product, err = product(ctx, i); return wrap("product", err) },
			func() (err error) { measured[i].Ceiling, err = ceiling(ctx, i); return wrap("ceiling", err) },
		}
		for j := range sides {
			if err := sides[(i+j)%len(sides)](); err != nil {
				return nil, fmt.Errorf("round %d: %w", i+1, err)
			}
		}
	}
	return measured, nil
}

func wrap(side string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", side, err)
}
