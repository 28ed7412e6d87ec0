// Package leaktest fails the tests of a package if they leave goroutines behind. Package
// goleak, which finds them, waits less than half a second for those that are about to
// end; here they have as long as they need on a busy machine.
package leaktest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines may take to end after the tests.
const patience = time.Minute

// Main runs the tests of a package and exits. A goroutine that is left after them is a
// failure.
func Main(m *testing.M, options ...goleak.Option) {
	code := m.Run()
	if code == 0 {
		if err := Find(options...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// Find waits until the goroutines that no option ignores have ended. It returns an error
// with the stacks of those that have not after a minute.
func Find(options ...goleak.Option) error { return find(patience, options...) }

func find(patience time.Duration, options ...goleak.Option) error {
	for began := time.Now(); ; {
		err := goleak.Find(options...)
		if err == nil || time.Since(began) > patience {
			return err
		}
	}
}
