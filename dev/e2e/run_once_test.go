package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/access"
)

type onceReport struct {
	Orders []struct {
		OrderID, CustomerID, Status, Reason, Total, Credit, Email, LastEvent string
		ViewAgrees                                                           bool
	}
	Parked, Unlinked []struct{ Stream, Type, EventID, Reason string }
}

// runOnce runs the stack with --once and these arguments, and returns its exit code,
// report and standard error.
func runOnce(t *testing.T, dir string, environ []string, args ...string) (int, onceReport, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	s, err := newLocal(stackOptions{dir: dir, environ: environ, secure: *secureSuite, args: append([]string{"--once"}, args...)})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.close()) }()
	cmd := s.cmd
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	var report onceReport
	if stdout.Len() > 0 {
		require.NoError(t, json.Unmarshal(stdout.Bytes(), &report), stdout.String())
	}
	return cmd.ProcessState.ExitCode(), report, stderr.String()
}

// A file with one valid and several invalid orders.
const mixedOrders = `[
{"stream":"order-good","events":[{"type":"order-placed","content-type":"application/json","data":` + goodBody + `}]},
{"stream":"order-bad-quantity","events":[{"type":"order-placed","content-type":"application/json","data":{"orderId":"order-bad-quantity","customerId":"c",
 "lineItems":[{"productId":"1","productName":"x","quantity":0,"pricePerUnit":"USD1.00","taxRate":0}],
 "billing":{"recipient":{"emailAddress":"a@example.com"}},"at":"2025-01-01T00:00:00Z"}}]},
{"stream":"order-no-json","events":[{"type":"order-placed","content-type":"application/json","dataBase64":"e25vdA=="}]},
{"stream":"order-binary","events":[{"type":"order-placed","dataBase64":"AAEC"}]},
{"stream":"cart-1","events":[{"type":"visitor-started-shopping","content-type":"application/json","data":{}}]}
]`

const goodBody = `{"orderId":"order-good","customerId":"customer-good",
 "lineItems":[{"productId":"1","productName":"x","quantity":1,"pricePerUnit":"USD0.05","taxRate":0.10},
 {"productId":"1","productName":"x","quantity":1,"pricePerUnit":"USD0.05","taxRate":0.10},
 {"productId":"1","productName":"x","quantity":1,"pricePerUnit":"USD0.05","taxRate":0.10}],
 "billing":{"recipient":{"fullName":"Ada Example","emailAddress":"ada@example.com"}},"at":"2025-01-01T00:00:00Z"}`

func TestOnce_SameFileTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "orders.json")
	require.NoError(t, os.WriteFile(file, []byte(mixedOrders), 0o600))
	var first onceReport
	for run := range 2 {
		code, report, stderr := runOnce(t, filepath.Join(dir, "state"), nil, "--orders", file)
		require.Zero(t, code, stderr)
		require.Len(t, report.Orders, 1)
		got := report.Orders[0]
		require.Equal(t, []string{"order-good", "customer-good", "fulfilling", "", "USD0.18", "reserved", "sent"},
			[]string{got.OrderID, got.CustomerID, got.Status, got.Reason, got.Total, got.Credit, got.Email})
		require.Equal(t, "order-approved", got.LastEvent)
		require.True(t, got.ViewAgrees)
		require.Len(t, report.Parked, 2)
		require.Contains(t, report.Parked[0].Reason+"\n"+report.Parked[1].Reason, "lineItems[0].quantity: must be at least 1")
		require.Len(t, report.Unlinked, 1)
		require.Equal(t, "order-no-json", report.Unlinked[0].Stream)
		if run == 0 {
			first = report
		}
		require.Equal(t, first, report)
	}
}

func TestOnce_GeneratedOrders(t *testing.T) {
	t.Parallel()
	code, report, stderr := runOnce(t, t.TempDir(), nil, "--generate", "30", "--seed", "7")
	require.Zero(t, code, stderr)
	require.Len(t, report.Orders, 30)
	rejected := 0
	for _, o := range report.Orders {
		require.Equal(t, "sent", o.Email, o.OrderID)
		if o.Status == "rejected" {
			rejected++
			require.Equal(t, "INSUFFICIENT_CREDIT", o.Reason)
			require.Equal(t, "refused", o.Credit)
			continue
		}
		require.Equal(t, []string{"fulfilling", "", "reserved"}, []string{o.Status, o.Reason, o.Credit})
	}
	require.Equal(t, 3, rejected)
	require.Empty(t, report.Parked)
}

func TestOnce_UnknownCustomerPolicy(t *testing.T) {
	t.Parallel()
	tests := []struct{ policy, hold, status, reason, credit string }{
		{"reject", "0", "rejected", "UNKNOWN_CUSTOMER", "refused"},
		{"hold", "30m", "on-hold", "UNKNOWN_CUSTOMER", "held"},
	}
	for _, test := range tests {
		t.Run(test.policy, func(t *testing.T) {
			t.Parallel()
			code, report, stderr := runOnce(t, t.TempDir(),
				[]string{"CREDIT_UNKNOWN_CUSTOMER=" + test.policy, "CREDIT_HOLD=" + test.hold}, "--generate", "1")
			require.Zero(t, code, stderr)
			require.Len(t, report.Orders, 1)
			got := report.Orders[0]
			require.Equal(t, []string{test.status, test.reason, test.credit}, []string{got.Status, got.Reason, got.Credit})
		})
	}
}

func TestOnce_ReportsAllInvalidArguments(t *testing.T) {
	t.Parallel()
	code, _, stderr := runOnce(t, t.TempDir(), nil, "--orders", "no-such-file.json", "--generate", "-1")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "--orders ")
	require.Contains(t, stderr, "--generate: ")
}

func TestBinary_ReportsAllConfigurationFaults(t *testing.T) {
	t.Parallel()
	for binary, want := range map[string][]string{
		"worker":  {"POSTGRES_URL: is required", "KURRENTDB_URL: is required", "CREDIT_HOLD: ", "EMAIL_FROM: is required", "AWS_REGION: is required", "STARTER_CONCURRENCY: "},
		"starter": {"KURRENTDB_URL: is required", "STARTER_CONCURRENCY: "},
	} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(binaries, binary))
		cmd.Env = []string{"CREDIT_HOLD=soon", "STARTER_CONCURRENCY=many", "HOME=" + t.TempDir()}
		out, err := cmd.CombinedOutput()
		require.Error(t, err)
		require.Equal(t, 2, cmd.ProcessState.ExitCode())
		lines := strings.TrimSpace(string(out))
		for _, fault := range want {
			require.Contains(t, lines, fault)
		}
		require.Len(t, strings.Split(lines, "\n"), len(want), lines)
	}
}

// The report looks the orders up in the api, which asks for a token here, over TLS.
func TestOnce_ExampleOrders(t *testing.T) {
	t.Parallel()
	secrets := t.TempDir()
	environ, err := writeTokens(secrets, map[access.Role]string{})
	require.NoError(t, err)
	_, err = newCertificate(secrets, "api")
	require.NoError(t, err)
	environ = append(environ, "API_TLS_CERT_FILE="+filepath.Join(secrets, "api.crt"), "API_TLS_KEY_FILE="+filepath.Join(secrets, "api.key"))
	code, report, stderr := runOnce(t, t.TempDir(), environ, "--orders", "../../dev/local/example-orders.json")
	require.Zero(t, code, stderr)
	require.Len(t, report.Orders, 1)
	require.Equal(t, "fulfilling", report.Orders[0].Status)
	require.Len(t, report.Parked, 1)
	require.Equal(t, "lineItems[0].quantity: must be at least 1", report.Parked[0].Reason)
}
