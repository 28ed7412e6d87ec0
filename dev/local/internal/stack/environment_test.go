package stack

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/programs"
)

func TestOfBinaries(t *testing.T) {
	t.Parallel()
	ours := Description{
		KurrentDBURL: "kurrentdb://127.0.0.1:1?tls=false", TemporalAddress: "127.0.0.1:2", PostgresURL: "postgres://127.0.0.1:3",
		SESURL: "http://127.0.0.1:4",
	}
	tests := map[string]struct {
		environ []string
		realSES bool
		want    map[string]string
		unset   []string
	}{
		"all parts run here": {
			want: map[string]string{
				"KURRENTDB_URL": ours.KurrentDBURL, "KURRENTDB_ALLOW_PLAINTEXT": "true", "TEMPORAL_ADDRESS": ours.TemporalAddress,
				"POSTGRES_URL": ours.PostgresURL, "AWS_ENDPOINT_URL_SESV2": ours.SESURL, "AWS_REGION": "us-east-1",
				"AWS_ENDPOINT_URL_SQS": ours.SESURL, "EMAIL_EVENTS_QUEUE_URL": ours.SESURL + "/000000000000/email-events", "EMAIL_CONFIGURATION_SET": "orders",
				"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "EMAIL_FROM": "orders@shop.example", "CREDIT_HOLD": "30m",
			},
		},
		"variables set by the user stay": {
			environ: []string{"CREDIT_HOLD=0", "EMAIL_FROM=a@b.example", "STARTER_CONCURRENCY=8", "LOG_LEVEL=debug"},
			want:    map[string]string{"CREDIT_HOLD": "0", "EMAIL_FROM": "a@b.example", "STARTER_CONCURRENCY": "8", "LOG_LEVEL": "debug"},
		},
		"a blank variable counts as unset": {
			environ: []string{"CREDIT_HOLD= ", "KURRENTDB_URL="},
			want:    map[string]string{"CREDIT_HOLD": "30m", "KURRENTDB_URL": ours.KurrentDBURL},
		},
		"real credentials never reach the simulator": {
			environ: []string{"AWS_ACCESS_KEY_ID=real", "AWS_SESSION_TOKEN=real", "AWS_PROFILE=real", "AWS_REGION=eu-west-1"},
			want:    map[string]string{"AWS_ACCESS_KEY_ID": "local", "AWS_REGION": "us-east-1"},
			unset:   []string{"AWS_SESSION_TOKEN", "AWS_PROFILE"},
		},
		"an account at Temporal does not reach the development server": {
			environ: []string{"TEMPORAL_API_KEY=secret", "TEMPORAL_NAMESPACE=shop.abc", "TEMPORAL_PROFILE=cloud"},
			want:    map[string]string{"TEMPORAL_ADDRESS": ours.TemporalAddress, "TEMPORAL_CONFIG_FILE": "/dev/null"},
			unset:   []string{"TEMPORAL_API_KEY", "TEMPORAL_NAMESPACE", "TEMPORAL_PROFILE"},
		},
		"an external Temporal keeps its variables": {
			environ: []string{"TEMPORAL_ADDRESS=cloud:7233", "TEMPORAL_API_KEY=secret", "TEMPORAL_NAMESPACE=shop.abc"},
			want:    map[string]string{"TEMPORAL_ADDRESS": "cloud:7233", "TEMPORAL_API_KEY": "secret", "TEMPORAL_NAMESPACE": "shop.abc"},
		},
		"an external KurrentDB is not contacted in plain text": {
			environ: []string{"KURRENTDB_URL=kurrentdb://db:2113"},
			unset:   []string{"KURRENTDB_ALLOW_PLAINTEXT"},
		},
		"an external emulator needs no credentials": {
			environ: []string{"AWS_ENDPOINT_URL_SESV2=http://emulator", "AWS_REGION=eu-west-1"},
			want: map[string]string{
				"AWS_ENDPOINT_URL_SESV2": "http://emulator", "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "local",
			},
		},
		"the real SES gets the user's variables and no default sender": {
			environ: []string{"AWS_PROFILE=shop"}, realSES: true,
			want:  map[string]string{"AWS_PROFILE": "shop"},
			unset: []string{"AWS_ENDPOINT_URL_SESV2", "AWS_ACCESS_KEY_ID", "AWS_REGION", "EMAIL_FROM"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := programs.EnvironmentOf(test.environ)
			mine := externalIn(e, test.realSES)
			d := ours
			if mine.kurrentdb {
				d.KurrentDBURL = e["KURRENTDB_URL"]
			}

			got := ofBinaries(e, d, mine, "30m", test.realSES)

			for variable, value := range test.want {
				require.Equal(t, value, got[variable], variable)
			}
			for _, variable := range test.unset {
				require.NotContains(t, got, variable)
			}
		})
	}
}
