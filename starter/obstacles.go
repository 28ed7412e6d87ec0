package main

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// What can keep the bridge from being ready though every server answers.
const (
	obstacleGroup      = "group"      // its settings lose events
	obstacleRights     = "rights"     // the user may not join the group, or make one that is missing
	obstacleProjection = "projection" // nothing fills the subscription's stream
	obstacleNamespace  = "namespace"  // it is not there, not for these credentials, or lacks search attributes
	obstacleRefusal    = "refusal"    // Temporal refuses every event, though it shows the namespace
	obstacleCodec      = "codec"      // what workflows were started with cannot be decoded
)

// obstacles are what an operator has to clear before the bridge is ready. Each is logged when it appears, when its reason
// changes and when it is gone, however often it is found. The zero value is ready for use, by several goroutines.
type obstacles struct {
	mu      sync.Mutex
	reasons map[string]string
}

// found notes an obstacle, or that there is none if reason is empty.
func (o *obstacles) found(name, reason string, m *metrics, logger *slog.Logger) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.reasons[name] == reason {
		return
	}
	if reason == "" {
		delete(o.reasons, name)
		m.blocked.WithLabelValues(name).Set(0)
		logger.Info("obstacle is gone", "obstacle", name)
		return
	}
	if o.reasons == nil {
		o.reasons = map[string]string{}
	}
	o.reasons[name] = reason
	m.blocked.WithLabelValues(name).Set(1)
	logger.Error("not ready until this is repaired", "obstacle", name, "reason", reason)
}

// err returns the reasons that stand, nil if there are none.
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
