package main

import (
	"context"
	"testing"
	"time"

	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/opstest"
)

const (
	waitLong = 90 * time.Second // generous: on an idle machine it happens soon
	waitTick = 10 * time.Millisecond
)

// servers are shared by most tests, each with its own database and slot.
var servers = devservertest.Servers{
	FindLeaks: true,
	Settings:  map[string]string{"max_replication_slots": "100", "max_wal_senders": "50"},
}

func TestMain(m *testing.M) {
	servers.Run(func() (int, error) {
		if err := opstest.Build(context.Background(), servers.Dir(), "../orderflow"); err != nil {
			return 1, err
		}
		return m.Run(), nil
	})
}
