package order_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

func TestValidIdentifier(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"c1": true, "Käthe & Söhne/7 @home": true, strings.Repeat("a", 128): true,
		"": false, " ": false, "\u2003": false, "a\nb": false, "a\x00": false, strings.Repeat("a", 129): false,
	} {
		require.Equal(t, want, order.ValidIdentifier(id), "%q", id)
	}
}

func TestValidText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": true, "a\nb": true, strings.Repeat("a", 1024): true,
		"a\x00": false, "\xff": false, strings.Repeat("a", 1025): false,
	} {
		require.Equal(t, want, order.ValidText(text), "%q", text)
	}
}
