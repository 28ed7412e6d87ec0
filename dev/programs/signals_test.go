package programs_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/programs"
)

// asProgram makes this test's binary the program under test.
const asProgram = "PROGRAMS_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "" {
		os.Exit(m.Run())
	}
	ctx, stop := programs.Context()
	defer stop()
	fmt.Println("running")
	<-ctx.Done()
	for range time.Tick(time.Millisecond) { // the other programs never stop
		fmt.Println("stopping")
	}
}

func TestContext(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]syscall.Signal{
		"the keyboard": syscall.SIGINT, "a supervisor": syscall.SIGTERM, "a closed terminal": syscall.SIGHUP,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handled := make(chan os.Signal, 1)
			signal.Notify(handled, stop) // a process that nohup or a shell's & started would pass on that it is ignored
			defer signal.Stop(handled)
			program := exec.CommandContext(t.Context(), os.Args[0])
			program.Env = append(os.Environ(), asProgram+"=yes")
			out, err := program.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, program.Start())
			lines := bufio.NewScanner(out)
			await(t, lines, "running")
			require.NoError(t, program.Process.Signal(stop))
			await(t, lines, "stopping")
			require.NoError(t, out.Close()) // its next line meets a closed pipe
			ended := make(chan error, 1)
			go func() { ended <- program.Wait() }()
			require.Eventually(t, func() bool {
				_ = program.Process.Signal(stop) // the first may come before the default effect is back
				return len(ended) > 0
			}, 10*time.Second, 10*time.Millisecond)
			require.ErrorContains(t, <-ended, "signal: "+stop.String())
		})
	}
}

func await(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	require.True(t, lines.Scan(), lines.Err())
	require.Equal(t, want, lines.Text())
}
