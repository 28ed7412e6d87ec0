package stack

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"orderflow/dev/leaktest"
)

// helperDir is the directory where the fake binaries write notes. When it is set, the
// test binary acts as the stack binary that it was called as.
const helperDir = "STACK_TEST_HELPER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		os.Exit(play(dir, filepath.Base(os.Args[0]), os.Args[1:]))
	}
	leaktest.Main(m)
}

// play is ready immediately where its caller polls, and writes a note when it is told to
// stop.
func play(dir, name string, args []string) int {
	if len(args) == 1 && args[0] == "migrate" {
		return 0
	}
	if refusal := os.Getenv("REFUSE_" + name); refusal != "" {
		fmt.Fprintln(os.Stderr, refusal)
		return 2
	}
	flags := flag.NewFlagSet(name, flag.ExitOnError)
	listen := flags.String("listen", os.Getenv("OPS_ADDR"), "")
	flags.String("data", "", "")
	_ = flags.Parse(args)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	server := &http.Server{Addr: *listen, ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })}
	go func() { _ = server.ListenAndServe() }()
	<-stop
	if os.Getenv("STUBBORN_"+name) != "" {
		select {}
	}
	notes, err := os.OpenFile(filepath.Join(dir, "notes"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 1
	}
	_, _ = fmt.Fprintln(notes, name)
	return 0
}
