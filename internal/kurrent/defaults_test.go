package kurrent_test

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrent"
)

// settings reads the newest event of $settings.
func (s *secureServer) settings() (found string) {
	s.Helper()
	err := s.admin.ReadStream(s.Context(), "$settings", 0, 0, func(e kurrent.Event) error {
		found = string(e.Data)
		return nil
	})
	if err != nil {
		require.ErrorIs(s, err, kurrent.ErrNotFound)
	}
	return found
}

func TestRestrictUserStreams(t *testing.T) {
	t.Parallel()
	wanted := kurrent.DefaultRights{
		kurrent.RightRead: {"starter", "other"}, kurrent.RightWrite: {"other", "other"}, kurrent.RightMetaRead: {"starter"},
	}
	const restricted = `{"$userStreamAcl":{"$r":["$admins","starter","other"],"$w":["$admins","other"],"$d":["$admins"],
		"$mr":["$admins","starter"],"$mw":["$admins"]}}`
	for name, c := range map[string]struct {
		before, after string // of $settings
		open          []kurrent.Right
		wanted        string // if it is not after
	}{
		"restricts what no entry mentions": {"", restricted, nil, ""},
		"keeps other fields, lists and users": {
			`{"$systemStreamAcl":{"$r":["$admins","auditors"]},"own":1,"$userStreamAcl":{"$r":["auditors"],"$w":"shop","$mw":[]}}`,
			`{"$systemStreamAcl":{"$r":["$admins","auditors"]},"own":1,"$userStreamAcl":{"$r":["auditors","starter","other"],
				"$w":["shop","other"],"$d":["$admins"],"$mr":["$admins","starter"],"$mw":[]}}`, nil, "",
		},
		"keeps an entry that gives a right to every user": {
			`{"$userStreamAcl":{"$r":"$all","$w":["$admins","other"],"$d":"$admins","$mr":["starter"],"$mw":"$admins"}}`,
			`{"$userStreamAcl":{"$r":"$all","$w":["$admins","other"],"$d":"$admins","$mr":["starter"],"$mw":"$admins"}}`,
			[]kurrent.Right{kurrent.RightRead},
			`{"$userStreamAcl":{"$r":["$admins","starter","other"],"$w":["$admins","other"],"$d":"$admins","$mr":["starter"],"$mw":"$admins"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSecureServer(t)
			if c.before != "" {
				s.write("$settings", "update-default-acl", c.before)
			}
			before := s.settings()
			missing, err := s.admin.MissingDefaults(t.Context(), wanted)
			require.NoError(t, err)
			require.Equal(t, before, s.settings(), "only a comparison")
			change, err := s.admin.RestrictUserStreams(t.Context(), wanted)
			require.NoError(t, err)
			require.Equal(t, missing, change)
			require.JSONEq(t, c.after, s.settings())
			require.Equal(t, c.before != c.after, change.Changed())
			require.Equal(t, c.open, change.Open)
			if c.wanted == "" {
				c.wanted = c.after
			}
			require.JSONEq(t, c.wanted, string(change.Wanted))

			before = s.settings()
			change, err = s.admin.RestrictUserStreams(t.Context(), wanted)
			require.NoError(t, err)
			require.False(t, change.Changed())
			require.Equal(t, before, s.settings())
		})
	}
	t.Run("keeps what others add at the same time", func(t *testing.T) {
		t.Parallel()
		s := newSecureServer(t)
		var all sync.WaitGroup
		for _, user := range []string{"a", "b", "c"} {
			all.Go(func() {
				_, err := s.admin.RestrictUserStreams(t.Context(), kurrent.DefaultRights{kurrent.RightWrite: {user}})
				assert.NoError(t, err)
			})
		}
		all.Wait()
		for _, user := range []string{"a", "b", "c"} {
			require.Contains(t, s.settings(), `"`+user+`"`)
		}
	})
	t.Run("takes effect at once", func(t *testing.T) {
		t.Parallel()
		s := newSecureServer(t)
		s.write("order-1", "placed", `{}`)
		starter := s.clientOf("starter")
		require.NoError(t, appendOne(t.Context(), starter, "order-1"))
		_, err := s.admin.RestrictUserStreams(t.Context(), wanted)
		require.NoError(t, err)
		require.ErrorIs(t, appendOne(t.Context(), starter, "order-1"), kurrent.ErrAccessDenied)
		_, err = starter.LastEvent(t.Context(), "order-1")
		require.NoError(t, err, "it may still read")
	})
	t.Run("refuses settings that the server cannot read", func(t *testing.T) {
		t.Parallel()
		s := newSecureServer(t)
		for _, malformed := range []string{`[]`, `{"$userStreamAcl":7}`, `{"$systemStreamAcl":{"$x":"y"}}`} {
			s.write("$settings", "update-default-acl", malformed)
			_, err := s.admin.RestrictUserStreams(t.Context(), wanted)
			require.ErrorIs(t, err, kurrent.ErrMalformed, malformed)
		}
	})
	t.Run("is for administrators", func(t *testing.T) {
		t.Parallel()
		s := newSecureServer(t)
		for _, user := range []string{"starter", "ops"} {
			_, err := s.clientOf(user).RestrictUserStreams(t.Context(), wanted)
			require.ErrorIs(t, err, kurrent.ErrAccessDenied)
		}
	})
}

func TestGrantReadAll(t *testing.T) {
	t.Parallel()
	s := newSecureServer(t)
	s.write("$$$all", "$metadata", `{"$acl":{"$r":["auditors"]},"own":1}`)
	missing, err := s.admin.MissingReadAll(t.Context(), "other")
	require.NoError(t, err)
	granted, err := s.admin.GrantReadAll(t.Context(), "other")
	require.NoError(t, err)
	require.Equal(t, kurrent.Grant{Stream: "$all", Rights: []kurrent.Right{kurrent.RightRead}}, granted)
	require.Equal(t, missing, granted)
	text, err := json.Marshal(s.metadata("$all"))
	require.NoError(t, err)
	require.JSONEq(t, `{"$acl":{"$r":["auditors","other"]},"own":1}`, string(text))
	granted, err = s.admin.GrantReadAll(t.Context(), "other")
	require.NoError(t, err)
	require.Empty(t, granted.Rights)
	_, err = s.clientOf("other").GrantReadAll(t.Context(), "other")
	require.ErrorIs(t, err, kurrent.ErrAccessDenied)
}
