package metadata_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/access"
	"orderflow/dev/kurrentsim/metadata"
)

func TestParse(t *testing.T) {
	t.Parallel()
	t.Run("reads every known field and ignores others", func(t *testing.T) {
		t.Parallel()
		got := metadata.Parse([]byte(`{"$maxCount":3,"$maxAge":7,"$tb":2,"$cacheControl":9,"$acl":{"$r":"a"},"mine":[1]}`))
		require.Equal(t, metadata.Stream{
			MaxCount: 3, MaxAge: 7 * time.Second, TruncateBefore: 2, ACL: &access.List{access.Read: {"a"}},
		}, got)
	})
	for _, body := range []string{
		``, `[]`, `{"$tb":2`, `{"$maxCount":"3","$tb":2}`, `{"$maxCount":0,"$tb":2}`, `{"$tb":2,"$acl":5}`, `{"$tb":2,"$acl":null}`,
		`{"$tb":2,"$maxAge":"x"}`, `{"$tb":2,"$maxAge":1.5}`, `{"$tb":2,"$cacheControl":null}`, `{"$tb":2,"$acl":{"$r":5}}`,
		`{"$tb":-1,"$maxCount":3}`, `{"$tb":9223372036854775808,"$maxCount":3}`,
	} {
		t.Run("ignores as a whole "+body, func(t *testing.T) {
			t.Parallel()
			require.Zero(t, metadata.Parse([]byte(body)))
		})
	}
}
