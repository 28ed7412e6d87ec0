package kurrent_test

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

func TestClient_TLS(t *testing.T) {
	t.Parallel()
	inAnHour := time.Now().Add(time.Hour)
	certificate, key := devservertest.Certificate(t, "node", inAnHour)
	otherCA, _ := devservertest.Certificate(t, "otherCA", inAnHour)
	address := kurrentsimtest.ClosedAddress(t)
	kurrentsimtest.StartServerWith(t, kurrentsim.Options{TLS: &kurrentsim.TLSOptions{
		Listen: address, CertFile: certificate, KeyFile: key,
		Users: []kurrentsim.User{{Name: "worker", Password: "s3cret@/"}},
	}})
	for name, c := range map[string]struct {
		user *url.Userinfo
		ca   string
		want error
	}{
		"all is right":          {url.UserPassword("worker", "s3cret@/"), certificate, nil},
		"a wrong password":      {url.UserPassword("worker", "s3cret"), certificate, kurrent.ErrAccessDenied},
		"an unknown authority":  {url.UserPassword("worker", "s3cret@/"), otherCA, kurrent.ErrUnavailable},
		"the machine's own CAs": {url.UserPassword("worker", "s3cret@/"), "", kurrent.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			query := url.Values{"gossipTimeout": {"1"}}
			timeout := kurrentsimtest.WaitLimit
			if errors.Is(c.want, kurrent.ErrUnavailable) { // which it is until the time for a call is over
				timeout = 2 * time.Second
			}
			if c.ca != "" {
				query.Set("tlsCaFile", c.ca)
			}
			client, err := kurrent.Open(kurrent.Config{
				URL: "kurrentdb://" + c.user.String() + "@" + address + "?" + query.Encode(), CallTimeout: timeout,
			})
			require.NoError(t, err)
			t.Cleanup(client.Close)
			err = client.Ping(t.Context())
			require.ErrorIs(t, err, c.want)
			if c.want != nil {
				require.NotContains(t, err.Error(), "s3cret")
				return
			}
			require.NoError(t, appendOne(t.Context(), client, "tls-1"))
		})
	}
}
