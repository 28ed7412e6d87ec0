package workflows_test

import (
	"bytes"
	"log/slog"
	"regexp"
	"strings"
	"sync"
)

// logLines is a log that tests read. It is safe for concurrent use.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logLines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// Write appends to the log.
func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

var messagePattern = regexp.MustCompile(`msg="?([A-Za-z -]+)`)

// of returns the messages of the lines with a level and with these attributes.
func (l *logLines) of(level slog.Level, attributes string) (messages []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, "level="+level.String()) && strings.Contains(line, attributes) {
			messages = append(messages, strings.TrimSpace(messagePattern.FindStringSubmatch(line)[1]))
		}
	}
	return messages
}
