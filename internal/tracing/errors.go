package tracing

import (
	"log/slog"
	"sync"
	"time"
)

// logEvery is how often a failure of the exporter is logged at most: it fails with each
// batch while the collector is down.
const logEvery = time.Minute

// errorLog logs what goes wrong in OpenTelemetry. It is safe for concurrent use.
type errorLog struct {
	logger *slog.Logger

	mu     sync.Mutex
	logged time.Time
}

func newErrorLog(logger *slog.Logger) *errorLog { return &errorLog{logger: logger} }

// Handle logs an error, unless one was logged within the last minute.
func (l *errorLog) Handle(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.logged) >= logEvery {
		l.logged = now
		l.logger.Warn("exporting traces failed", "error", err)
	}
}
