package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// pageBlock is one block marked sh of a page.
type pageBlock struct {
	page, heading string // the heading above it, without its marks
	script        string
}

// headingOrBlock matches a heading, or a block of any kind, of which it captures the kind
// and the content.
var headingOrBlock = regexp.MustCompile("(?ms)^#+ ([^\n]+)$|^```([a-z]*)\n(.*?)^```$")

// pageBlocks returns the blocks of a page in their order. The path is relative to the
// repository's root.
func pageBlocks(t *testing.T, page string) (blocks []pageBlock) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", page))
	require.NoError(t, err)
	heading := ""
	for _, found := range headingOrBlock.FindAllStringSubmatch(string(text), -1) {
		switch {
		case found[1] != "":
			heading = found[1]
		case found[2] == "sh":
			blocks = append(blocks, pageBlock{page: page, heading: heading, script: found[3]})
		}
	}
	require.NotEmpty(t, blocks, page)
	return blocks
}

// pageShell is one bash into which the blocks of pages are pasted one after the other, so
// that a block uses the variables and functions of the blocks before it. It ends at the
// first command that fails.
type pageShell struct {
	t       *testing.T
	replace *strings.Replacer // what the pages say of a reader's machine, by what it is here
	in      io.Writer
	out     *bufio.Reader
}

// newPageShell starts a shell that uses the stack as a reader uses that of make run.
func newPageShell(t *testing.T, s *stack) *pageShell {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	t.Cleanup(cancel)
	shell := exec.CommandContext(ctx, "bash", "-euo", "pipefail")
	shell.Env = append(s.environment.Environ(), "PATH="+binaries+":"+os.Getenv("PATH"))
	in, err := shell.StdinPipe()
	require.NoError(t, err)
	out, write := io.Pipe()
	shell.Stdout, shell.Stderr = write, write
	require.NoError(t, shell.Start())
	go func() { _ = write.CloseWithError(fmt.Errorf("the shell has ended: %w", shell.Wait())) }()
	t.Cleanup(func() {
		cancel()
		_, _ = io.Copy(io.Discard, out) // until the shell has ended
	})
	return &pageShell{t: t, in: in, out: bufio.NewReader(out), replace: strings.NewReplacer(
		"$PWD/.local/bin", binaries, ".local/stack.json", filepath.Join(s.dir, "stack.json"),
		"http://localhost:8005", s.SESURL, "http://localhost:8080", s.APIURL,
	)}
}

// run runs a script, and returns what it prints. It fails the test if a command of the
// script fails. The script is sourced, so that none of its commands reads the next script
// as its input.
func (s *pageShell) run(script string) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "block.sh")
	require.NoError(s.t, os.WriteFile(file, []byte(s.replace.Replace(script)), 0o600))
	end := "end of " + uuid.NewString()
	_, err := fmt.Fprintf(s.in, "source %q </dev/null\necho %q\n", file, end)
	require.NoError(s.t, err)
	var printed strings.Builder
	for {
		line, err := s.out.ReadString('\n')
		if output, ended := strings.CutSuffix(line, end+"\n"); ended {
			printed.WriteString(output)
			return printed.String()
		}
		printed.WriteString(line)
		require.NoError(s.t, err, "%s\nprinted\n%s", script, &printed)
	}
}

// variable returns the value of a variable that a block has set.
func (s *pageShell) variable(name string) string {
	s.t.Helper()
	return strings.TrimSpace(s.run(`echo "$` + name + `"`))
}
