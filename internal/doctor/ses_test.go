package doctor_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/sessim"
	"orderflow/internal/doctor"
	"orderflow/internal/ses"
)

// TestSES changes the environment, so it does not run in parallel with others.
func TestSES(t *testing.T) {
	server, err := sessim.Start(sessim.Options{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // clients keep idle connections
		_ = server.Stop(ctx)
	})
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_SESV2": server.URL(), "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	open := func(t *testing.T) doctor.Options {
		account, err := ses.OpenInspector(t.Context(), ses.Config{From: "Shop <shop@mail.example.com>", ConfigurationSet: "orders", Timeout: patience})
		require.NoError(t, err)
		return doctor.Options{SES: account}
	}
	// An account whose identity is the parent domain, which covers the sender's.
	good := sessim.DefaultAccount()
	good.AnyIdentity, good.AnySet = false, false
	good.Identities = map[string]sessim.Identity{"example.com": {Verified: true, DKIM: "SUCCESS"}}
	good.Sets = map[string]sessim.Set{"orders": {}}

	t.Run("finds nothing in an account that may send", func(t *testing.T) {
		server.SetAccount(good)
		results := run(t, open(t))
		require.Empty(t, findings(results))
		require.Equal(t, "the identity of EMAIL_FROM is verified: example.com", resultOf(t, results, "ses/identity").Found)
		require.Equal(t, doctor.OK, resultOf(t, results, "machine/clock").Status)
	})
	for name, c := range map[string]struct {
		change func(*sessim.Account)
		want   wanted
	}{
		"unknown credentials": {
			func(a *sessim.Account) { a.RefuseAllCalls = "UnrecognizedClientException" },
			wanted{"ses/reachable", doctor.Problem, "ses refuses the credentials (UnrecognizedClientException)", "AWS_ACCESS_KEY_ID"},
		},
		"the sandbox": {
			func(a *sessim.Account) { a.Sandbox = true },
			wanted{"ses/sandbox", doctor.Problem, "in the sandbox", "production-access"},
		},
		"disabled sending": {
			func(a *sessim.Account) { a.SendingPaused = true },
			wanted{"ses/sending", doctor.Problem, "sending is not enabled", "put-account-sending-attributes"},
		},
		"an account under review": {
			func(a *sessim.Account) { a.Enforcement = "PROBATION" },
			wanted{"ses/sending", doctor.Warning, "PROBATION", "bounces"},
		},
		"a used up quota": {
			func(a *sessim.Account) { a.Max24HourSend = 0 },
			wanted{"ses/quota", doctor.Warning, "of 0 emails", "quota"},
		},
		"no identity": {
			func(a *sessim.Account) { a.Identities = nil },
			wanted{"ses/identity", doctor.Problem, "neither the address", "create-email-identity"},
		},
		"an identity that is not verified": {
			func(a *sessim.Account) {
				a.Identities = map[string]sessim.Identity{"shop@mail.example.com": {DKIM: "SUCCESS"}, "example.com": {Verified: true, DKIM: "SUCCESS"}}
			},
			wanted{"ses/identity", doctor.Problem, "not verified: the address itself", "DNS"},
		},
		"no DKIM": {
			func(a *sessim.Account) {
				a.Identities = map[string]sessim.Identity{"example.com": {Verified: true, DKIM: "PENDING"}}
			},
			wanted{"ses/dkim", doctor.Warning, "PENDING", "CNAME"},
		},
		"no configuration set": {
			func(a *sessim.Account) { a.Sets = nil },
			wanted{"ses/configuration-set", doctor.Problem, "no configuration set orders", "create-configuration-set"},
		},
		"a configuration set that does not send": {
			func(a *sessim.Account) { a.Sets = map[string]sessim.Set{"orders": {SendingPaused: true}} },
			wanted{"ses/configuration-set", doctor.Problem, "sending is disabled", "sending-enabled"},
		},
	} {
		t.Run("finds "+name, func(t *testing.T) {
			account := good
			c.change(&account)
			server.SetAccount(account)
			results := run(t, open(t))
			requireOnly(t, results, c.want)
			for _, r := range results {
				require.NotContains(t, r.Found+r.Why+r.Do, "shop@", "an address is personal data")
			}
		})
	}
	t.Run("says which rights are missing for a check", func(t *testing.T) {
		account := good
		account.DeniedActions = []string{"GetAccount", "GetEmailIdentity", "GetConfigurationSet"}
		server.SetAccount(account)
		results := run(t, open(t))
		require.Empty(t, findings(results))
		for check, action := range map[string]string{
			"ses/sandbox": "ses:GetAccount", "ses/identity": "ses:GetEmailIdentity", "ses/configuration-set": "ses:GetConfigurationSet",
		} {
			got := resultOf(t, results, check)
			require.Equal(t, doctor.NotChecked, got.Status)
			require.Contains(t, got.Found, action)
		}
	})
	t.Run("finds a service that is not there", func(t *testing.T) {
		t.Setenv("AWS_ENDPOINT_URL_SESV2", "http://127.0.0.1:1")
		requireOnly(t, run(t, open(t)), wanted{"ses/reachable", doctor.Failed, "ses:GetAccount", "AWS_REGION"})
	})
	require.Empty(t, server.Messages(), "the doctor sends nothing")
}
