package devserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/temporalclient"
)

// EnsureSearchAttributes creates the search attributes that a namespace of a running
// server lacks. It returns an error if one exists with another type, because a start that
// uses it would fail.
func EnsureSearchAttributes(ctx context.Context, c client.Client, namespace string, want temporal.SearchAttributes) error {
	err := temporalclient.CheckNamespace(ctx, c, namespace, want)
	lacking, ok := errors.AsType[*temporalclient.AttributesError](err)
	if !ok {
		return err
	}
	missing := map[string]enums.IndexedValueType{}
	for _, a := range lacking.Attributes {
		if a.Found != enums.INDEXED_VALUE_TYPE_UNSPECIFIED {
			return lacking
		}
		missing[a.Name] = a.Want
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx,
		&operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: missing})
	if err != nil {
		return fmt.Errorf("create search attributes: %w: %w", lacking, err)
	}
	return awaitSearchAttributes(ctx, c, namespace, want)
}

// awaitSearchAttributes waits until the server lists the attributes it has accepted,
// which takes a moment.
func awaitSearchAttributes(ctx context.Context, c client.Client, namespace string, want temporal.SearchAttributes) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := temporalclient.CheckNamespace(ctx, c, namespace, want)
		if _, ok := errors.AsType[*temporalclient.AttributesError](err); !ok {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("await the search attributes: %w", context.Cause(ctx))
		}
	}
}
