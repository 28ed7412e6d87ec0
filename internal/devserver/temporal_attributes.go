package devserver

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// EnsureSearchAttributes creates the search attributes that a namespace of a running server lacks. One that is there with
// another type is an error: a start that names it would fail.
func EnsureSearchAttributes(ctx context.Context, c client.Client, namespace string, want temporal.SearchAttributes) error {
	missing, err := missingSearchAttributes(ctx, c, namespace, want)
	if err != nil || len(missing) == 0 {
		return err
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx,
		&operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: missing})
	if err != nil {
		return fmt.Errorf("create the search attributes %v: %w", slices.Sorted(maps.Keys(missing)), err)
	}
	return awaitSearchAttributes(ctx, c, namespace, want)
}

// awaitSearchAttributes waits until the server lists what it has accepted: it does so after a moment.
func awaitSearchAttributes(ctx context.Context, c client.Client, namespace string, want temporal.SearchAttributes) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		missing, err := missingSearchAttributes(ctx, c, namespace, want)
		if err != nil || len(missing) == 0 {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("await the search attributes: %w", context.Cause(ctx))
		}
	}
}

func missingSearchAttributes(
	ctx context.Context, c client.Client, namespace string, want temporal.SearchAttributes,
) (map[string]enums.IndexedValueType, error) {
	there, err := c.OperatorService().ListSearchAttributes(ctx,
		&operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return nil, fmt.Errorf("list the search attributes: %w", err)
	}
	missing := map[string]enums.IndexedValueType{}
	for key := range want.GetUntypedValues() {
		name, kind := key.GetName(), key.GetValueType()
		switch found, ok := there.GetCustomAttributes()[name]; {
		case !ok:
			missing[name] = kind
		case found != kind:
			return nil, fmt.Errorf("search attribute %s is %s on the server, and must be %s", name, found, kind)
		}
	}
	return missing, nil
}
