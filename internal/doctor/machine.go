package doctor

import (
	"fmt"
	"strings"
	"time"
)

// maxSkew is how far clocks may differ. Signatures of requests to SES and the guard of a
// replay of parked events tolerate minutes; times in logs are useful within seconds.
const maxSkew = 5 * time.Second

// clock is one reading of a server's clock between two of this machine's.
type clock struct {
	before, after time.Time // here
	server        time.Time
	resolution    time.Duration // the server's time may be later by less than this
	err           error
}

func (c *clock) begin(now func() time.Time) { c.before = now() }

func (c *clock) end(now func() time.Time, server time.Time, resolution time.Duration, err error) {
	c.after, c.server, c.resolution, c.err = now(), server, resolution, err
}

// skew returns by how much the server's clock is at least ahead of this machine's, or
// behind if it is negative.
func (c clock) skew() time.Duration {
	least, most := c.server.Sub(c.after), c.server.Add(c.resolution).Sub(c.before)
	switch {
	case least > 0:
		return least
	case most < 0:
		return most
	default:
		return 0
	}
}

func clocksAgree(f *facts) Result {
	var agree, differ []string
	for _, store := range Stores() {
		c, read := f.clocks[store]
		if !read || c.err != nil {
			continue
		}
		switch skew := c.skew(); {
		case skew > maxSkew:
			differ = append(differ, fmt.Sprintf("%s is %s ahead", store, skew.Round(time.Second)))
		case skew < -maxSkew:
			differ = append(differ, fmt.Sprintf("%s is %s behind", store, (-skew).Round(time.Second)))
		default:
			agree = append(agree, string(store))
		}
	}
	switch {
	case len(differ) > 0:
		return warning("compared with this machine, "+strings.Join(differ, " and "),
			"SES refuses requests after minutes, and a drop of parked events is not protected from a concurrent replay.",
			"Synchronize the clocks: chronyc tracking, or timedatectl")
	case len(agree) == 0:
		return notChecked("no store says its time")
	default:
		return ok("agrees with %s within %s", list(agree), maxSkew)
	}
}
