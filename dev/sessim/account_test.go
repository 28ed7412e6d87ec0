package sessim_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"orderflow/dev/sessim"
)

func TestAccount_State(t *testing.T) {
	t.Parallel()
	server := start(t, sessim.Options{})
	ses := client(server)
	identity := func(name string) (*sesv2.GetEmailIdentityOutput, error) {
		return ses.GetEmailIdentity(t.Context(), &sesv2.GetEmailIdentityInput{EmailIdentity: aws.String(name)})
	}
	set := func(name string) (*sesv2.GetConfigurationSetOutput, error) {
		return ses.GetConfigurationSet(t.Context(), &sesv2.GetConfigurationSetInput{ConfigurationSetName: aws.String(name)})
	}
	requireMissing := func(err error) {
		t.Helper()
		var missing *types.NotFoundException
		require.ErrorAs(t, err, &missing)
	}

	domain, err := identity("example.com") // by default every domain and every configuration set is usable
	require.NoError(t, err)
	require.True(t, domain.VerifiedForSendingStatus)
	require.Equal(t, types.IdentityTypeDomain, domain.IdentityType)
	require.Equal(t, types.DkimStatusSuccess, domain.DkimAttributes.Status)
	_, err = identity("shop@example.com")
	requireMissing(err)
	orders, err := set("orders")
	require.NoError(t, err)
	require.True(t, orders.SendingOptions.SendingEnabled)

	server.SetAccount(sessim.Account{
		Sandbox: true, Enforcement: "PROBATION", MaxSendRate: 1, Max24HourSend: 200,
		Identities: map[string]sessim.Identity{"shop@example.com": {DKIM: "NOT_STARTED"}},
		Sets:       map[string]sessim.Set{"orders": {SendingPaused: true}},
	})
	account, err := ses.GetAccount(t.Context(), &sesv2.GetAccountInput{})
	require.NoError(t, err)
	require.False(t, account.ProductionAccessEnabled)
	require.Equal(t, "PROBATION", aws.ToString(account.EnforcementStatus))
	require.InDelta(t, 1, account.SendQuota.MaxSendRate, 0)
	address, err := identity("shop@example.com")
	require.NoError(t, err)
	require.Equal(t, types.IdentityTypeEmailAddress, address.IdentityType)
	require.False(t, address.VerifiedForSendingStatus || address.DkimAttributes.SigningEnabled)
	_, err = identity("example.com")
	requireMissing(err)
	orders, err = set("orders")
	require.NoError(t, err)
	require.False(t, orders.SendingOptions.SendingEnabled)
	_, err = set("other")
	requireMissing(err)

	server.SetAccount(sessim.Account{DeniedActions: []string{"GetAccount"}})
	_, err = ses.GetAccount(t.Context(), &sesv2.GetAccountInput{})
	requireCode(t, err, "AccessDeniedException")
	server.SetAccount(sessim.Account{RefuseAllCalls: "UnrecognizedClientException"})
	_, err = identity("example.com")
	requireCode(t, err, "UnrecognizedClientException")
}

func requireCode(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, code, api.ErrorCode())
}
