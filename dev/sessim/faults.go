package sessim

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Kinds of fault.
const (
	FaultThrottled  = "throttled"  // 429 TooManyRequestsException
	FaultQuota      = "quota"      // the same error with another text: the daily quota is used up
	FaultRejected   = "rejected"   // 400 MessageRejected: an address that SES does not send to
	FaultUnverified = "unverified" // 400 MessageRejected: of an account in the sandbox, which quotes the address
	FaultPaused     = "paused"     // 400 SendingPausedException
	FaultStopped    = "stopped"    // 400 MessageRejected: the account's sending is paused, in the words of SES's reviewers
	FaultNoSet      = "no-set"     // 400 BadRequestException: the configuration set does not exist
	FaultSuspended  = "suspended"  // 400 AccountSuspendedException
	FaultBusy       = "busy"       // 503 ServiceUnavailable
	FaultError      = "error"      // 500, not accepted
	FaultLost       = "lost"       // accepted and kept, and the connection closed instead of a response
	FaultHang       = "hang"       // read, not accepted, and without a response until the sender disconnects
	FaultSuppressed = "suppressed" // accepted and kept, for an address on the suppression list: never delivered
)

// The outcomes of events.go are faults too: the email is accepted, and its events say what
// became of it.

const (
	maxFaults     = 1000
	maxFaultCount = 1_000_000
)

// Fault fails the next Count messages to an address, or to any address.
type Fault struct {
	Fault string `json:"fault"`
	Count int    `json:"count"` // remaining failures; 0 in a request means 1
	To    string `json:"to"`    // empty: any recipient
}

// apiError is an error in the real service's words.
type apiError struct {
	status        int
	code, message string
}

// failureOf returns the error that a fault responds with to a message to these
// recipients. It reports false for faults without an error.
func failureOf(fault string, recipients []string) (apiError, bool) {
	switch fault {
	case FaultUnverified:
		return apiError{http.StatusBadRequest, "MessageRejected", "Email address is not verified. The following identities failed the check in " +
			"region US-EAST-1: " + strings.Join(recipients, ", ")}, true
	case FaultThrottled:
		return apiError{http.StatusTooManyRequests, "TooManyRequestsException", "Maximum sending rate exceeded."}, true
	case FaultQuota:
		return apiError{http.StatusTooManyRequests, "TooManyRequestsException", "Daily message quota exceeded."}, true
	case FaultRejected:
		return apiError{http.StatusBadRequest, "MessageRejected", "Address blacklisted."}, true
	case FaultPaused:
		return apiError{http.StatusBadRequest, "SendingPausedException", "Email sending is paused for this account."}, true
	case FaultStopped:
		return apiError{http.StatusBadRequest, "MessageRejected", "Sending paused for this account. For more information, " +
			"please check the inbox of the email address associated with your AWS account."}, true
	case FaultNoSet:
		return apiError{http.StatusBadRequest, "BadRequestException", "Configuration set <orders> does not exist."}, true
	case FaultBusy:
		return apiError{http.StatusServiceUnavailable, "ServiceUnavailable", "Service is unavailable, please try again."}, true
	case FaultSuspended:
		return apiError{http.StatusBadRequest, "AccountSuspendedException", "Email sending is suspended for this account."}, true
	case FaultError:
		return apiError{http.StatusInternalServerError, "InternalServiceErrorException", "Internal error by fault."}, true
	default:
		return apiError{}, false
	}
}

func (f Fault) check() error {
	_, fails := failureOf(f.Fault, nil)
	if !fails && outcomes()[f.Fault] == nil && !slices.Contains([]string{FaultLost, FaultHang, FaultSuppressed}, f.Fault) {
		return errors.New("fault: must be throttled, quota, rejected, unverified, paused, stopped, suspended, no-set, busy, error, lost, hang, " +
			"suppressed, delivered, delayed, bounced, soft-bounced, complained, refused, listed, silent or unreported")
	}
	if f.Count < 1 || f.Count > maxFaultCount {
		return fmt.Errorf("count: must be from 1 to %d", maxFaultCount)
	}
	if len(f.To) > maxAddress {
		return fmt.Errorf("to: must be at most %d bytes", maxAddress)
	}
	return nil
}

// faults are the pending failures, in the order in which they were requested.
type faults struct {
	mu   sync.Mutex
	list []Fault
}

func (f *faults) add(fault Fault) error {
	if fault.Count == 0 {
		fault.Count = 1
	}
	if err := fault.check(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) >= maxFaults {
		return fmt.Errorf("too many faults: at most %d wait at a time", maxFaults)
	}
	f.list = append(f.list, fault)
	return nil
}

// take consumes one count of the first fault that applies to a message to these
// recipients.
func (f *faults) take(recipients []string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.list, func(fault Fault) bool {
		return fault.To == "" || slices.ContainsFunc(recipients, func(r string) bool { return strings.EqualFold(r, fault.To) })
	})
	if i < 0 {
		return ""
	}
	kind := f.list[i].Fault
	if f.list[i].Count--; f.list[i].Count == 0 {
		f.list = slices.Delete(f.list, i, i+1)
	}
	return kind
}

func (f *faults) all() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Fault{}, f.list...)
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
}
