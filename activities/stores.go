package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
)

// StoreCheck reads from one store, or asks one service, whether this build can work with
// it. It writes nothing. Its note says what it could not check, if anything, and ends up
// in a workflow's history, like its error.
type StoreCheck struct {
	Name  string
	Check func(context.Context) (note string, err error)
}

// checkTimeout bounds one check, below the attempt that makes all of them.
const checkTimeout = 8 * time.Second

// CheckedStores is the result of CheckStores: "ok" or a note for each store.
type CheckedStores map[string]string

// CheckStores makes every check, one after the other, and returns an error that names
// each store that this build cannot work with. An error that only an operator can clear,
// such as a missing grant or migration, is permanent: a deployment must not wait for it.
func (a *Activities) CheckStores(ctx context.Context) (CheckedStores, error) {
	if len(a.Checks) == 0 { // a mistake in the wiring must not pass for healthy stores
		return nil, temporal.NewNonRetryableApplicationError("no store can be checked", TypeBlocked, nil)
	}
	checked := CheckedStores{}
	var failed []error
	for _, store := range a.Checks {
		note, err := checkStore(ctx, store)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		checked[store.Name] = "ok"
		if note != "" {
			checked[store.Name] += ": " + note
		}
	}
	err := errors.Join(failed...)
	switch {
	case err == nil:
		return checked, nil
	case slices.ContainsFunc(failed, isBlocked):
		return nil, permanent(TypeBlocked, err)
	default:
		return nil, retryable(ctx, typeUnavailable, err)
	}
}

func checkStore(ctx context.Context, store StoreCheck) (note string, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if note, err = store.Check(ctx); err != nil {
		return "", fmt.Errorf("%s: %w", store.Name, err)
	}
	return note, nil
}
