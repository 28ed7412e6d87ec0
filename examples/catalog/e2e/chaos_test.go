package e2e

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/catalog/check"
	"example.com/catalog/sample"
	"example.com/catalog/video"
)

var (
	chaosMinutes = flag.Float64("minutes", 0.75, "how long faults are injected")
	chaosSeed    = flag.Uint64("seed", 0, "of the faults and uploads; 0 means a new one")
)

// kind is a kind of video, with the outcome that it deserves.
type kind struct {
	file string
	want check.Upload
}

// chaos uploads videos while faults come and go.
type chaos struct {
	*rig
	random  *rand.Rand // of the faults
	kinds   []kind
	uploads []check.Upload
}

func TestChaos(t *testing.T) {
	t.Parallel()
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("again: go test ./e2e -run Chaos -timeout 30m -args -minutes %g -seed %d", *chaosMinutes, seed)
	r := newRig(t)
	talk := r.make(spoken)
	c := &chaos{rig: r, random: rand.New(rand.NewPCG(seed, 0)), kinds: []kind{
		{file: talk, want: check.Upload{WantStatus: "cataloged", Spoken: spoken}},
		{file: r.make(""), want: check.Upload{WantStatus: "cataloged"}},
		{file: r.broken(talk), want: check.Upload{WantStatus: "failed", WantReason: string(video.ReasonBroken)}},
	}}
	r.awaitReady()
	minutes := time.Duration(*chaosMinutes * float64(time.Minute))
	ctx, cancel := context.WithTimeout(t.Context(), minutes)
	defer cancel()
	var group sync.WaitGroup
	uploads := rand.New(rand.NewPCG(seed, 1))
	group.Go(func() { c.keepUploading(ctx, uploads) })
	faults := c.injectFaults(ctx)
	group.Wait()
	for _, p := range c.proxies {
		p.Resume()
	}
	select {
	case <-c.process.Done(): // a server that it needs at its start was away
		c.start()
	default:
	}
	c.awaitSettled(c.uploads, patience+10*minutes) // a step that crashed often waits up to 7.5 times as long as before
	// The command of the last form may come after its client is gone, and after the first look.
	violations := check.Judge(c.facts(c.uploads))
	for end := time.Now().Add(patience); len(violations) > 0 && wait(t.Context(), tick) && time.Now().Before(end); {
		violations = check.Judge(c.facts(c.uploads))
	}
	t.Logf("%d uploads, faults %v, %d violations", len(c.uploads), faults, len(violations))
	require.Empty(t, violations)
	require.Greater(t, len(c.uploads), 3)
	require.Greater(t, faults["crash"], 0)
}

// keepUploading uploads one video after the other, each until it is accepted or the time is
// up. Some forms are sent twice at once, some commands repeated, some workflows canceled, and
// what can be played is viewed.
func (c *chaos) keepUploading(ctx context.Context, random *rand.Rand) {
	for wait(ctx, time.Duration(500+random.IntN(2500))*time.Millisecond) {
		kind := c.kinds[random.IntN(len(c.kinds))]
		u := kind.want
		u.ID = video.NewID()
		u.Accepted = c.uploadUntilAccepted(ctx, u.ID, kind.file, random.IntN(3) == 0)
		switch action := random.IntN(6); {
		case action < 3 && u.Accepted:
			assert.NoError(c, c.repeatCommand(u.ID, 1+random.IntN(3)))
		case action == 3:
			u.Canceled = true
			_ = c.temporal.CancelWorkflow(ctx, video.Stream(u.ID), "") // there may be none yet
		}
		c.uploads = append(c.uploads, u)
		c.view(ctx, random)
	}
}

// uploadUntilAccepted uploads a video, maybe at once with another title under the same id, of
// which only one may be accepted.
func (c *chaos) uploadUntilAccepted(ctx context.Context, id, file string, twice bool) (accepted bool) {
	for {
		var group sync.WaitGroup
		var second error
		if twice {
			group.Go(func() { second = sample.UploadAs(ctx, c.url, id, "Another video", file) })
		}
		first := sample.UploadAs(ctx, c.url, id, "A video", file)
		group.Wait()
		assert.False(c, twice && first == nil && second == nil, "both titles of %s were accepted", id)
		if first == nil || twice && second == nil {
			return true
		}
		if !wait(ctx, 200*time.Millisecond) {
			return false
		}
	}
}

// view plays one of the videos, and reports that until the report is accepted.
func (c *chaos) view(ctx context.Context, random *rand.Rand) {
	u := &c.uploads[random.IntN(len(c.uploads))]
	if v, err := sample.Get(ctx, c.url, u.ID); err != nil || v.Status != video.StatusCataloged {
		return
	}
	viewing := video.NewID()
	for sample.View(ctx, c.url, u.ID, viewing) != nil && ctx.Err() == nil {
		wait(ctx, 200*time.Millisecond)
	}
	if ctx.Err() == nil {
		u.Views++
	} else {
		u.Unsure++
	}
}

// injectFaults injects one fault after the other until ctx ends, a crash first, and returns
// how often each.
func (c *chaos) injectFaults(ctx context.Context) map[string]int {
	servers := []string{"KurrentDB", "PostgreSQL", "Temporal"}
	counts := map[string]int{}
	for wait(ctx, time.Duration(500+c.random.IntN(3000))*time.Millisecond) {
		if c.random.IntN(3) == 0 || len(counts) == 0 {
			counts["crash"]++
			c.restartDuring(ctx)
			continue
		}
		server := servers[c.random.IntN(len(servers))]
		p := c.proxies[server]
		fault := []string{"stall", "refuse", "cut"}[c.random.IntN(3)]
		map[string]func(){"stall": func() { p.Stall() }, "refuse": p.Refuse, "cut": p.Cut}[fault]()
		counts[fault+" "+server]++
		wait(ctx, time.Duration(200+c.random.IntN(3000))*time.Millisecond)
		p.Resume()
	}
	return counts
}

// restartDuring kills the catalog and starts it again. It ends at once if a server that it
// needs at its start is away, so it is started until it is up, as a supervisor would.
func (c *chaos) restartDuring(ctx context.Context) {
	c.kill()
	c.start()
	for !c.isServing(ctx) && wait(ctx, 50*time.Millisecond) {
		select {
		case <-c.process.Done():
			c.start()
		default:
		}
	}
}

func (c *chaos) isServing(ctx context.Context) bool {
	_, err := sample.Get(ctx, c.url, video.NewID())
	var responded *sample.StatusError
	return errors.As(err, &responded)
}

// wait waits for a while, and reports whether ctx still lasts.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
