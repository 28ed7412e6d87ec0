package main

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/access"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
	"orderflow/internal/rights"
)

// userOf returns the user of a program in these tests.
func userOf(program string) string {
	switch program {
	case "worker":
		return "w-2"
	case rights.Checkout:
		return "shop"
	default:
		return program
	}
}

// What setup grants is what doctor asks for, and the server allows.
func TestSetup_Rights(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartSecure(t, kurrentsim.Options{}, kurrentsimtest.User("opal", access.Operations))
	environ := func(user string) []string { return []string{"KURRENTDB_URL=" + server.URLFor(user), "LOG_LEVEL=error"} }
	args := []string{"--only", "kurrentdb", "--rights", "--user", "worker=w-2", "--user", "checkout=shop"}

	stdout, stderr, code := runSetup(t, environ(kurrentsimtest.Admin), args...)
	require.Equal(t, exitAttention, code, stderr)
	require.Contains(t, stdout, "kurrentdb  users                                    left: there is none called starter, w-2, publisher, projector, api, reconcile, shop\n")
	require.Contains(t, stdout, "kurrentdb  rights                                   skipped: the users come first\n")
	require.Contains(t, stdout, `-d @FILE https://HOST:2113/users/ # FILE: {"loginName":"w-2",`)

	for _, program := range append(rights.Binaries(), rights.Others()...) {
		server.CreateUser(t, userOf(program))
	}
	stdout, stderr, code = runSetup(t, environ("opal"), args...)
	require.Equal(t, exitAttention, code, stderr)
	require.Contains(t, stdout, "\n    orderflow setup --only kurrentdb --rights --user worker=w-2 --user checkout=shop\n")
	require.Contains(t, stdout, `append to $settings, type $settings, merged with its newest event: {"$userStreamAcl":{"$d":["$admins"],`+
		`"$mr":["$admins","starter","w-2","api","reconcile"],"$mw":["$admins"],"$r":["$admins","starter","w-2","publisher","api","reconcile"],`+
		`"$w":["$admins","w-2","publisher","api","shop"]}}`)
	require.Contains(t, stdout, `append to $$$all, type $metadata, merged with its newest event: {"$acl":{"$r":["$admins","projector"]}}`)

	for _, user := range []string{"opal", kurrentsimtest.Admin} {
		stdout, stderr, code = runSetup(t, environ(user), append(args, "--dry-run")...)
		require.Equal(t, exitAttention, code, stderr)
		require.Regexp(t, `projection \$by_correlation_id +left: it is running, and every user may read what it links on \$bc-ID\n`, stdout)
		require.Regexp(t, `'https://HOST:2113/projection/\$by_correlation_id/command/disable'\n +# .*START_STANDARD_PROJECTIONS=false`, stdout)
	}
	stdout, _, _ = runSetup(t, environ("opal"), append(args, "--keep-correlation")...)
	require.Contains(t, stdout, "\n    orderflow setup --only kurrentdb --rights --keep-correlation --user worker=w-2 --user checkout=shop\n")
	stdout, stderr, code = runSetup(t, environ(kurrentsimtest.Admin), append(args, "--keep-correlation", "--dry-run")...)
	require.Zero(t, code, stderr)
	require.Regexp(t, `projection \$by_correlation_id +skipped: kept by --keep-correlation: it is running, and every user may read .*\n`, stdout)
	require.NoError(t, server.StopProjection(t.Context(), kurrent.ByCorrelation))

	for _, run := range []struct {
		args []string
		want string // of the last step
	}{
		{append(args, "--dry-run"), "would change: [$r $w $d $mr $mw] no longer for every user"},
		{args, "changed: [$r $w $d $mr $mw] no longer for every user"},
		{args, "already there"},
		{append(args, "--user", "checkout=mobile"), "left: there is none called mobile"},
	} {
		stdout, stderr, _ = runSetup(t, environ(kurrentsimtest.Admin), run.args...)
		require.Contains(t, stdout, run.want, stderr)
	}
	server.CreateUser(t, "mobile")
	stdout, stderr, code = runSetup(t, environ(kurrentsimtest.Admin), append(args, "--user", "checkout=mobile")...)
	require.Zero(t, code, stderr)
	require.Regexp(t, `rights on user streams +changed: \$w for mobile\n`, stdout)

	require.NotContains(t, stdout, "$by_correlation_id", "it is stopped")
	require.Regexp(t, `rights on projected streams +already there: the first event opens \$ce-order to every user: run this again then\n`, stdout)
	_, err := kurrentsimtest.OpenClient(t, server.URLFor("shop")).
		Append(t.Context(), "order-1", kurrent.Any(), kurrentsimtest.Event("order-placed", `{}`))
	require.NoError(t, err)
	stdout, stderr, code = runSetup(t, environ("opal"), args...)
	require.Equal(t, exitAttention, code, stderr)
	require.Contains(t, stdout, `append to $$$ce-order, type $metadata, merged with its newest event: {"$acl":{"$r":["$admins","starter","reconcile"]}}`)
	for _, want := range []string{"changed: $ce-order, $et-order-placed, $streams no longer for every user", "already there"} {
		stdout, stderr, code = runSetup(t, environ(kurrentsimtest.Admin), args...)
		require.Zero(t, code, stderr)
		require.Regexp(t, "rights on projected streams +"+regexp.QuoteMeta(want)+"\n", stdout)
	}
	_, err = kurrentsimtest.OpenClient(t, server.URLFor("shop")).LastEvent(t.Context(), "$ce-order")
	require.ErrorIs(t, err, kurrent.ErrAccessDenied)

	for _, binary := range rights.Binaries() {
		user := userOf(binary)
		for _, as := range [][]string{{user}, {kurrentsimtest.Admin, "--user", user}} {
			said, _, _ := doctorCall(t, environ(as[0]), append([]string{"--only", "kurrentdb", "--as", binary}, as[1:]...)...)
			require.Regexp(t, `(?m)^ok +kurrentdb/read-rights `, said)
			require.NotRegexp(t, `(?m)^(problem|failed) +kurrentdb/(read|write)-rights `, said)
		}
	}
}

// Without TLS the server checks no rights, so there is nothing to grant.
func TestSetup_RightsWithoutTLS(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServerWith(t, kurrentsim.Options{})
	stdout, stderr, code := runSetup(t, []string{"KURRENTDB_URL=" + server.URL(), "KURRENTDB_ALLOW_PLAINTEXT=true"}, "--only", "kurrentdb", "--rights")
	require.Zero(t, code, stderr)
	require.Regexp(t, `rights +skipped: without TLS the server checks none\n`, stdout)
}
