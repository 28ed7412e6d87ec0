package ses_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"orderflow/internal/order"
	"orderflow/internal/ses"
)

func TestOrderTag(t *testing.T) {
	t.Parallel()
	t.Run("is read back as the same id", func(t *testing.T) {
		t.Parallel()
		allowed := regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)
		rapid.Check(t, func(t *rapid.T) {
			id := "order-" + rapid.StringMatching(`[A-Za-z0-9._-]{1,120}`).Draw(t, "id")
			if !order.ValidID(id) {
				t.Fatalf("%s is no order id", id)
			}
			tag := ses.OrderTag(id)
			if !allowed.MatchString(tag) {
				t.Fatalf("SES takes no tag %s", tag)
			}
			if found, ok := ses.OrderID(tag); !ok || found != id {
				t.Fatalf("the tag %s of %s is read as %s", tag, id, found)
			}
		})
	})
	t.Run("rejects what no email has", func(t *testing.T) {
		t.Parallel()
		for _, tag := range []string{"", "order-", "order-a_b", "order-a_", "other-a", "order-a b", "order-" + strings.Repeat("a", 121)} {
			_, ok := ses.OrderID(tag)
			require.False(t, ok, tag)
		}
	})
}
