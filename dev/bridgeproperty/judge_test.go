package bridgeproperty_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"

	"orderflow/bridge"
	"orderflow/internal/temporalclient"
)

// judgment compares what became of the events with what their routes allow.
type judgment struct {
	*rig
	all        []*scenario
	parkedFor  map[string][]string
	final      bool // all parked events were replayed once everything else was done
	violations []string
}

// finding is what Temporal has under the workflow id of a scenario.
type finding struct {
	exists, closed   bool
	workflowType     string
	memo             string
	signals, updates map[string]int // by the id of their event
}

func (j *judgment) violate(s *scenario, e *event, expected, found string, args ...any) {
	what := s.name + ": workflow " + s.workflow
	if e != nil {
		what = s.name + ": " + e.String()
	}
	j.violations = append(j.violations, fmt.Sprintf("%s: expected %s, found %s", what, expected, fmt.Sprintf(found, args...)))
}

// report fails the test if there are violations.
func (j *judgment) report() {
	j.Helper()
	const shown = 20
	if len(j.violations) > 0 {
		require.FailNow(j, fmt.Sprintf("seed %s: %d violations:\n%s", seedText(), len(j.violations),
			strings.Join(j.violations[:min(shown, len(j.violations))], "\n")))
	}
}

// judge judges every scenario.
func (r *rig) judge(all []*scenario, final bool) *judgment {
	r.Helper()
	r.outcomes.read()
	j := &judgment{rig: r, all: all, parkedFor: r.parked(), final: final}
	for _, s := range all {
		found := r.find(s.workflow)
		j.judgeWorkflow(s, found)
		for _, e := range s.events {
			j.judgeEvent(s, e, found)
		}
	}
	return j
}

func (j *judgment) judgeWorkflow(s *scenario, found finding) {
	early := func(e *event) bool { return e.early != "" && len(j.parkedFor[e.key()]) > 0 }
	if !found.exists && !j.final && slices.ContainsFunc(s.events, early) {
		return // it starts when the event is replayed
	}
	if found.exists != s.exists {
		j.violate(s, nil, fmt.Sprintf("exists %t", s.exists), "exists %t", found.exists)
		return
	}
	if !found.exists {
		return
	}
	wanted := subjectWorkflow
	if s.foreign {
		wanted = foreignWorkflow
	}
	if found.workflowType != wanted {
		j.violate(s, nil, "type "+wanted, "%s", found.workflowType)
	}
	starters := []string{}
	messages := map[string]bool{}
	for _, e := range s.events {
		if e.effect.names() {
			starters = append(starters, e.ID.String())
		}
		messages[e.ID.String()] = e.effect != leavesNothing && e.effect != mayStart && e.effect != startsRejected
	}
	if s.before != nil {
		starters = []string{s.memo}
	}
	if !slices.Contains(starters, found.memo) {
		j.violate(s, nil, fmt.Sprintf("a memo of %q", starters), "%q", found.memo)
	}
	for _, seen := range []map[string]int{found.signals, found.updates} {
		for id := range seen {
			if !messages[id] {
				j.violate(s, nil, "no message of event "+id, "one")
			}
		}
	}
}

func (j *judgment) judgeEvent(s *scenario, e *event, found finding) {
	results, reasons := j.outcomes.of[e.key()], j.parkedFor[e.key()]
	reason, allowed := e.reason, e.results
	switch {
	case e.effect == mayStart && found.memo != e.ID.String():
		reason = fmt.Sprintf("%s: workflow %s was started for event %s", bridge.ReasonAlreadyStarted, s.workflow, found.memo)
		allowed = nil
	case e.unlinked:
		if len(results)+len(reasons) > 0 {
			j.violate(s, e, "no outcome", "%v, parked for %q", results, reasons)
		}
		return
	}
	if len(results) == 0 {
		j.violate(s, e, "an outcome", "none: it is lost")
	}
	for _, result := range results {
		if result == bridge.Parked && (reason != "" || e.early != "") {
			continue
		}
		if !slices.Contains(allowed, result) {
			j.violate(s, e, fmt.Sprintf("one of %v, parked for %q", allowed, reason), "%s", result)
		}
	}
	if n := count(results, bridge.Started); n > 1 {
		j.violate(s, e, "one start", "%d", n)
	}
	j.judgeReasons(s, e, reason, reasons)
	j.judgeEffect(s, e, found)
}

func (j *judgment) judgeReasons(s *scenario, e *event, wanted string, reasons []string) {
	if wanted != "" && len(reasons) == 0 {
		j.violate(s, e, "parked for "+wanted, "not parked")
	}
	for _, reason := range reasons {
		early := !j.final && e.early != "" && strings.HasPrefix(reason, e.early+": ")
		if !early && (wanted == "" || reason != wanted) {
			j.violate(s, e, fmt.Sprintf("parked for %q", wanted), "%q", reason)
		}
	}
}

func (j *judgment) judgeEffect(s *scenario, e *event, found finding) {
	id := e.ID.String()
	signals, updates := found.signals[id], found.updates[id]
	if !j.final && e.early != "" && len(j.parkedFor[e.key()]) > 0 {
		return // it takes effect when it is replayed
	}
	switch e.effect {
	case isSignaled, startsOrSignals:
		if signals == 0 {
			j.violate(s, e, "at least one signal", "none")
		}
	case isUpdated, startsOrUpdates:
		if updates != 1 {
			j.violate(s, e, "one update", "%d", updates)
		}
	case mayBeSignaled:
		if signals == 0 && !found.closed {
			j.violate(s, e, "a signal, or a closed workflow", "neither")
		}
	case mayBeUpdated:
		if updates > 1 || updates == 0 && !found.closed {
			j.violate(s, e, "one update, or a closed workflow", "%d updates", updates)
		}
	}
}

func count(results []bridge.Result, wanted bridge.Result) (n int) {
	for _, result := range results {
		if result == wanted {
			n++
		}
	}
	return n
}

// parked returns the reasons of the parked events, by event.
func (r *rig) parked() map[string][]string { return r.parkedUntil(math.MaxUint64) }

// parkedUntil is parked for those up to a number.
func (r *rig) parkedUntil(last uint64) map[string][]string {
	r.Helper()
	all := map[string][]string{}
	err := r.bridged.Parked(r.settings.Stream, r.settings.Group).List(r.Context(), 0, 0, func(p bridge.ParkedEvent) error {
		require.NotNil(r, p.Event, "%s", p.Stream)
		if p.Number > last {
			return nil
		}
		key := p.Event.Stream + " " + p.Event.ID.String()
		all[key] = append(all[key], p.Reason)
		return nil
	})
	require.NoError(r, err)
	return all
}

// find reads what Temporal has under a workflow id.
func (r *rig) find(workflowID string) finding {
	r.Helper()
	description, err := r.temporal.DescribeWorkflow(r.Context(), workflowID, "")
	if temporalclient.IsNotFound(err) {
		return finding{}
	}
	require.NoError(r, err)
	info := description.RawResponse.GetWorkflowExecutionInfo()
	f := finding{
		exists: true, workflowType: info.GetType().GetName(), closed: info.GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING,
		signals: map[string]int{}, updates: map[string]int{},
	}
	if memo := info.GetMemo().GetFields()[bridge.MemoEventID]; memo != nil {
		f.memo = r.text(memo)
	}
	history := r.temporal.GetWorkflowHistory(r.Context(), workflowID, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		require.NoError(r, err)
		if signal := event.GetWorkflowExecutionSignaledEventAttributes(); signal != nil {
			f.signals[r.text(signal.GetInput().GetPayloads()[0])]++
		}
		if update := event.GetWorkflowExecutionUpdateAcceptedEventAttributes(); update != nil {
			f.updates[r.text(update.GetAcceptedRequest().GetInput().GetArgs().GetPayloads()[0])]++
		}
	}
	return f
}

func (r *rig) text(payload *common.Payload) (text string) {
	r.Helper()
	require.NoError(r, json.Unmarshal(payload.GetData(), &text))
	return text
}

// requireUnlinked requires that exactly the events which no bridge can see are found in
// the log.
func (r *rig) requireUnlinked(all []*event, since time.Time) {
	r.Helper()
	var wanted, found []string
	for _, e := range all {
		if e.unlinked {
			wanted = append(wanted, e.key())
		}
	}
	types := []string{opened, noted, called, asked, needing, fragile, skipped, unknown}
	err := r.bridged.Unlinked(r.Context(), r.settings.Stream, types, since, func(u bridge.Unlinked) error {
		found = append(found, u.Event.Stream+" "+u.Event.ID.String())
		return nil
	})
	require.NoError(r, err)
	require.ElementsMatch(r, wanted, found, "seed %s", seedText())
}
