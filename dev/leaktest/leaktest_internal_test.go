package leaktest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestFind(t *testing.T) {
	t.Run("waits for a goroutine that ends later than goleak waits", func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		go func() { <-time.After(time.Second) }()
		require.NoError(t, Find(before))
	})
	t.Run("returns the stack of one that does not end", func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		release := make(chan struct{})
		defer close(release)
		go func() { <-release }()
		require.ErrorContains(t, find(time.Second, before), "leaktest.TestFind")
	})
}
