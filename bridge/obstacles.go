package bridge

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// Obstacles that can keep the bridge from being ready although every server responds.
const (
	obstacleGroup      = "group"      // its settings lose events
	obstacleRights     = "rights"     // the user may not join the group, or create a missing one
	obstacleProjection = "projection" // nothing fills the subscription's stream
	obstacleNamespace  = "namespace"  // it is missing, denied to these credentials, or lacks search attributes
	obstacleRefusal    = "refusal"    // Temporal refuses every event, though it describes the namespace
	obstacleCodec      = "codec"      // the inputs of workflows cannot be decoded
)

func obstacleNames() []string {
	return []string{obstacleGroup, obstacleRights, obstacleProjection, obstacleNamespace, obstacleRefusal, obstacleCodec}
}

// obstacles are the conditions that an operator has to clear before the bridge is ready.
// Each is logged when it appears, when its reason changes and when it is gone, however
// often it is set. The zero value is ready for use. It is safe for concurrent use.
type obstacles struct {
	mu      sync.Mutex
	reasons map[string]string
}

// set records an obstacle, or clears it if reason is empty.
func (o *obstacles) set(name, reason string, m *metrics, logger *slog.Logger) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.reasons[name] == reason {
		return
	}
	if reason == "" {
		delete(o.reasons, name)
		m.block(name, -1)
		logger.Info("obstacle is gone", "obstacle", name)
		return
	}
	if o.reasons == nil {
		o.reasons = map[string]string{}
	}
	if o.reasons[name] == "" {
		m.block(name, 1)
	}
	o.reasons[name] = reason
	logger.Error("not ready until this is repaired", "obstacle", name, "reason", reason)
}

// forget forgets all obstacles: a bridge that does not run needs no operator.
func (o *obstacles) forget(m *metrics) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name := range o.reasons {
		m.block(name, -1)
	}
	o.reasons = nil
}

// setObstacle records an obstacle, or clears it if reason is empty.
func (b *Bridge) setObstacle(name, reason string) {
	b.obstacles.set(name, reason, b.metrics, b.o.Logger)
}

func (b *Bridge) clearObstacle(name string) { b.setObstacle(name, "") }

// err returns the current reasons as one error, or nil if there are none.
func (o *obstacles) err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []string
	for name, reason := range o.reasons {
		all = append(all, name+": "+reason)
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	return fmt.Errorf("%s", strings.Join(all, "; "))
}
