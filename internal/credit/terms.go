package credit

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"orderflow/internal/order"
)

// ErrNoLimit is returned if no default limit is configured that can be used in a
// currency.
var ErrNoLimit = errors.New("no default credit limit")

// UnknownPolicy decides the first order of a customer who has no account.
type UnknownPolicy string

// Open opens an account with the default limit, hold leaves the order to an operator, and
// reject refuses it.
const (
	UnknownOpen   UnknownPolicy = "open"
	UnknownHold   UnknownPolicy = "hold"
	UnknownReject UnknownPolicy = "reject"
)

// UnmarshalText accepts exactly the known policies.
func (p *UnknownPolicy) UnmarshalText(text []byte) error {
	switch v := UnknownPolicy(text); v {
	case UnknownOpen, UnknownHold, UnknownReject:
		*p = v
		return nil
	default:
		return fmt.Errorf("must be %s, %s or %s", UnknownOpen, UnknownHold, UnknownReject)
	}
}

// MaxHold is the longest time that an order may be on hold.
const MaxHold = 90 * 24 * time.Hour

// Terms are the settings that a decision depends on. The zero policy is UnknownOpen.
type Terms struct {
	Limits          Limits
	UnknownCustomer UnknownPolicy
	HoldUntil       time.Time // how long an order over the limit may wait for an operator; zero refuses it at once
}

// Limits are the default limits of new accounts, per currency. The zero value has none.
type Limits struct {
	standard   string // a decimal number, for every currency not in byCurrency; may be empty
	byCurrency map[string]order.Money
}

// ParseLimits parses "10000.00", or with limits for single currencies
// "10000.00,EUR=8000.00,JPY=1500000". Without a general number, only the named currencies
// have a limit.
func ParseLimits(s string) (Limits, error) {
	limits := Limits{byCurrency: map[string]order.Money{}}
	for entry := range strings.SplitSeq(s, ",") {
		if err := limits.add(strings.TrimSpace(entry)); err != nil {
			return Limits{}, err
		}
	}
	return limits, nil
}

func (l *Limits) add(entry string) error {
	currency, number, named := strings.Cut(entry, "=")
	if !named {
		// The currency with the most decimals is used to check that the entry is a
		// number.
		if _, err := order.ParseMoney("CLF" + entry); err != nil || l.standard != "" {
			return errors.New("must be one amount like 10000.00, then EUR=8000.00 for single currencies")
		}
		l.standard = entry
		return nil
	}
	limit, err := order.ParseMoney(currency + number)
	if err != nil || len(currency) != 3 {
		return errors.New("must name single currencies like EUR=8000.00, in a currency of ISO 4217 and its decimals")
	}
	if _, twice := l.byCurrency[currency]; twice {
		return fmt.Errorf("must name %s once", currency)
	}
	l.byCurrency[currency] = limit
	return nil
}

// UnmarshalText parses text with ParseLimits.
func (l *Limits) UnmarshalText(text []byte) error {
	parsed, err := ParseLimits(string(text))
	if err != nil {
		return err
	}
	*l = parsed
	return nil
}

// For returns the default limit in a currency, or ErrNoLimit if none is configured that
// can be used in it.
func (l Limits) For(currency string) (order.Money, error) {
	if limit, ok := l.byCurrency[currency]; ok {
		return limit, nil
	}
	if l.standard == "" {
		return order.Money{}, fmt.Errorf("%w for %s", ErrNoLimit, currency)
	}
	limit, err := order.ParseMoney(currency + l.standard)
	if err != nil {
		return order.Money{}, fmt.Errorf("%w for %s: the general one %w", ErrNoLimit, currency, err)
	}
	return limit, nil
}

// String returns the limits in the form that ParseLimits reads.
func (l Limits) String() string {
	var entries []string
	if l.standard != "" {
		entries = append(entries, l.standard)
	}
	for _, currency := range slices.Sorted(maps.Keys(l.byCurrency)) {
		entries = append(entries, currency+"="+l.byCurrency[currency].Decimal())
	}
	return strings.Join(entries, ",")
}
