package ses

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIdentities(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"shop@a.b.example.com", "a.b.example.com", "b.example.com", "example.com"}, identities("shop@a.b.example.com"))
	require.Equal(t, []string{"shop@localhost", "localhost"}, identities("shop@localhost"))
}
