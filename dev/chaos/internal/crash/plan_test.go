package crash_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/chaos/internal/crash"
	"orderflow/dev/chaos/internal/load"
	"orderflow/internal/failpoint"
)

func TestPlan_EachPointWithOneOrderAndWithMany(t *testing.T) {
	t.Parallel()
	plan, err := crash.Plan(failpoint.Points(), 3, 1)
	require.NoError(t, err)
	alone, among := map[string]int{}, map[string]int{}
	for _, c := range plan {
		if c.Orders == 1 {
			require.Equal(t, 1, c.Hit, c)
			alone[c.Point.Name]++
			continue
		}
		require.Equal(t, 64, c.Orders)
		require.True(t, 1 <= c.Hit && c.Hit <= c.Orders/2, c)
		among[c.Point.Name]++
	}
	for _, name := range failpoint.Names() {
		require.Equal(t, 2, alone[name], name)
		require.Equal(t, 1, among[name], name)
	}
	require.Len(t, plan, 3*len(failpoint.Names()))
}

func TestPlan_OneBurstPerPointInALongPlan(t *testing.T) {
	t.Parallel()
	plan, err := crash.Plan(failpoint.Points(), 25, 1)
	require.NoError(t, err)
	bursts := map[string]int{}
	for _, c := range plan {
		if c.Orders > 1 {
			bursts[c.Point.Name]++
		}
	}
	for _, name := range failpoint.Names() {
		require.Equal(t, 1, bursts[name], name)
	}
	require.Len(t, plan, 25*len(failpoint.Names()))
}

func TestPlan_DeterminedBySeed(t *testing.T) {
	t.Parallel()
	one, err := crash.Plan(failpoint.Points(), 3, 7)
	require.NoError(t, err)
	again, err := crash.Plan(failpoint.Points(), 3, 7)
	require.NoError(t, err)
	require.Equal(t, one, again)
	other, err := crash.Plan(failpoint.Points(), 3, 8)
	require.NoError(t, err)
	require.NotEqual(t, one, other)
}

func TestPlan_EmailsFirstInEachRound(t *testing.T) {
	t.Parallel()
	plan, err := crash.Plan(failpoint.Points(), 1, 2)
	require.NoError(t, err)
	mails := true
	for _, c := range plan {
		isMail := strings.HasPrefix(c.Point.Name, "worker.mail-")
		require.False(t, isMail && !mails, "%s comes after others", c)
		mails = isMail
	}
}

func TestPlan_EveryPointHasOrderScenario(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		plan, err := crash.Plan(failpoint.Points(), 1, seed)
		require.NoError(t, err)
		for _, c := range plan {
			require.Contains(t, load.OrderScenarios(), c.OrderScenario, c)
		}
	}
}

func TestPlan_PointWithoutOrderScenario(t *testing.T) {
	t.Parallel()
	_, err := crash.Plan([]failpoint.Point{{Name: "worker.dance.before"}}, 1, 1)
	require.ErrorContains(t, err, "worker.dance.before: no order scenario leads there")
}

func TestSelect_OnePoint(t *testing.T) {
	t.Parallel()
	points, err := crash.Select("starter.ack.before")
	require.NoError(t, err)
	require.Len(t, points, 1)
	require.Equal(t, "starter.ack.before", points[0].Name)

	points, err = crash.Select("")
	require.NoError(t, err)
	require.Equal(t, failpoint.Points(), points)

	_, err = crash.Select("starter.ack")
	require.ErrorContains(t, err, "must be one of starter.start.before, ")
}
