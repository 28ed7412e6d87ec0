package rights_test

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrent"
	"orderflow/internal/rights"
)

func TestOnUserStreams(t *testing.T) {
	t.Parallel()
	const read, write, metadata = kurrent.RightRead, kurrent.RightWrite, kurrent.RightMetaRead
	for program, want := range map[string][]kurrent.Right{
		"starter": {read, metadata}, "worker": {read, metadata, write}, "publisher": {read, write}, "projector": nil,
		"api": {read, metadata, write}, "reconcile": {read, metadata}, rights.Checkout: {write}, rights.CreditDesk: {write}, "sessim": nil,
	} {
		require.Equal(t, want, rights.OnUserStreams(program), program)
	}
}

func TestProjected(t *testing.T) {
	t.Parallel()
	others := []string{"$ce-creditdecision", "$ce-credit", "$ce-fulfillment", "$ce-email", "$et-order-placed", "$et-OrderPlaced", "$streams"}
	require.Equal(t, append([]string{"$ce-order"}, others...), rights.Projected("$ce-order"))
	require.Equal(t, append([]string{"$ce-shop", "$ce-order"}, others...), rights.Projected("$ce-shop"))
	require.Equal(t, append([]string{"$ce-order"}, others...), rights.Projected("orders"), "a stream without links")
}

// The events that docs/operations.md shows are those of the table.
func TestOf_Documented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	shown := func(stream string, into any) {
		t.Helper()
		found := regexp.MustCompile(`(?s)\n` + regexp.QuoteMeta(stream) + ` +(\{.*?\}\})\n`).FindSubmatch(page)
		require.NotNil(t, found, stream)
		require.NoError(t, json.Unmarshal(found[1], into))
	}
	var settings struct {
		List map[kurrent.Right][]string `json:"$userStreamAcl"`
	}
	shown("$settings", &settings)
	var all struct {
		List map[kurrent.Right][]string `json:"$acl"`
	}
	shown("$$$all", &all)

	users := map[kurrent.Right][]string{
		kurrent.RightRead: {"$admins"}, kurrent.RightWrite: {"$admins"}, kurrent.RightDelete: {"$admins"},
		kurrent.RightMetaRead: {"$admins"}, kurrent.RightMetaWrite: {"$admins"},
	}
	readers := []string{"$admins"}
	for _, binary := range rights.Binaries() {
		for _, right := range rights.OnUserStreams(binary) {
			users[right] = append(users[right], binary)
		}
		if rights.ReadsAll(binary) {
			readers = append(readers, binary)
		}
	}
	require.Equal(t, users, settings.List)
	require.Equal(t, map[kurrent.Right][]string{kurrent.RightRead: readers}, all.List)
}
