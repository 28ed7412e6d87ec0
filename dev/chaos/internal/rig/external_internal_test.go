package rig

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUseKurrentDB(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ given, address, proxied string }{
		"keeps credentials and settings": {
			"kurrentdb://admin:change%20it@db.example:2114?tls=true&tlsVerifyCert=false", "db.example:2114",
			"kurrentdb://admin:change%20it@127.0.0.1:9?tls=true&tlsVerifyCert=false",
		},
		"takes the usual port": {"esdb://db.example?tls=false", "db.example:2113", "esdb://127.0.0.1:9?tls=false"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &Rig{options: Options{KurrentDB: c.given}, addresses: map[string]string{}}
			require.NoError(t, r.useKurrentDB())
			require.Equal(t, c.address, r.addresses[KurrentDB])
			require.Equal(t, c.proxied, r.kurrentURL("127.0.0.1:9"))
		})
	}
}
