package e2e_test

import (
	"flag"
	"maps"
	"net/http"
	"slices"
	"strings"

	"orderflow/internal/access"
)

// secureSuite runs the suite once more on secureServers: make secure. Servers that a test
// itself starts stay as they are: the cluster's, and the database behind a pooler.
//
// plainTests are left out.
var secureSuite = flag.Bool("secure", false, "run the stacks with TLS, users, roles, tokens and encrypted payloads")

// plainTests are the tests that need a stack without any of that, each with the reason.
var plainTests = map[string]string{
	"TestReadme_Commands":         "executes pages whose reader has the stack of make run",
	"TestTemporalCLI_Page":        "executes a page whose reader has the stack of make run",
	"TestWebUI_Orders":            "its pictures show what the Web UI displays of payloads",
	"TestWebUI_EncryptedPayloads": "has no token for the api, which decrypts for the Web UI",
	"TestCost_ShippedOrder":       "counts messages and bytes on connections without TLS",
	"TestStack_TwoVersions":       "local routes versions on its own Temporal server only",
}

// leaveOut makes the secure suite leave out plainTests. It is called before the tests run.
func leaveOut() error {
	flag.Parse()
	if !*secureSuite {
		return nil
	}
	skipped := "^(" + strings.Join(slices.Sorted(maps.Keys(plainTests)), "|") + ")$"
	if also := flag.Lookup("test.skip").Value.String(); also != "" {
		skipped += "|" + also
	}
	return flag.Set("test.skip", skipped)
}

// do sends a request to the api, with the token of those that the api accepts that has the
// role for it. Without secureServers the api has neither tokens nor TLS.
func (s *secureServers) do(request *http.Request) (*http.Response, error) {
	if s == nil {
		return http.DefaultClient.Do(request)
	}
	request.Header.Set("Authorization", "Bearer "+s.tokens[roleFor(request)])
	return s.http.Do(request)
}

func roleFor(request *http.Request) access.Role {
	switch path := request.URL.Path; {
	case request.Method == http.MethodGet:
		return access.Read
	case strings.HasPrefix(path, "/customers"), strings.Contains(path, "/credit-"):
		return access.Credit
	case path == "/orders":
		return access.Place
	default:
		return access.Operate
	}
}
