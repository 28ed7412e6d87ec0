package ses

import (
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"orderflow/internal/email"
	"orderflow/internal/order"
)

// The tags of every email. SES repeats them in each event about it, so an event names
// the attempt in the ledger that it is about.
const (
	tagOrderID = "order_id"
	tagKind    = "kind"
	tagAttempt = "attempt"
)

func tagsOf(letter email.Letter) []types.MessageTag {
	return []types.MessageTag{
		{Name: aws.String(tagOrderID), Value: aws.String(orderTag(letter.OrderID))},
		{Name: aws.String(tagKind), Value: aws.String(string(letter.Kind))},
		{Name: aws.String(tagAttempt), Value: aws.String(strconv.Itoa(letter.Attempt))},
	}
}

// orderTag writes an order id with the characters that SES accepts in a tag. A dot becomes
// "_-" and an underscore "__", so that orderID finds the id again. At its longest it has
// 252 of the 256 bytes that SES allows.
func orderTag(id string) string {
	return strings.NewReplacer("_", "__", ".", "_-").Replace(id)
}

// orderID returns the order id of a tag. It reports false for a tag that orderTag does not
// write.
func orderID(tag string) (string, bool) {
	var id strings.Builder
	for rest := tag; rest != ""; {
		before, after, escaped := strings.Cut(rest, "_")
		id.WriteString(before)
		if !escaped {
			break
		}
		switch {
		case strings.HasPrefix(after, "_"):
			id.WriteByte('_')
		case strings.HasPrefix(after, "-"):
			id.WriteByte('.')
		default:
			return "", false
		}
		rest = after[1:]
	}
	return id.String(), order.ValidID(id.String())
}

// isTagRune reports whether SES accepts r in tags and in names of its resources.
func isTagRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-'
}
