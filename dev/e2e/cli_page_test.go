package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// cliPage is the page for operators who use the temporal CLI.
const cliPage = "docs/temporal-cli.md"

// cliBlock is a block of the page: the heading above it, what brings the stack into the
// state of which the page speaks, what it must print, and what must be so afterwards.
type cliBlock struct {
	heading string
	prepare func()
	prints  []string // regular expressions
	check   func()
}

// The page is executed from top to bottom in one shell. A block must print everything that
// is expected of it, and something is expected of each block.
func TestTemporalCLI_Page(t *testing.T) {
	t.Parallel()
	r := newCLIPageRig(t)
	blocks, wanted := pageBlocks(t, cliPage), r.blocks()
	for i, block := range blocks {
		require.Less(t, i, len(wanted), "nothing is expected of the block\n%s", block.script)
		want := wanted[i]
		require.Equal(t, want.heading, block.heading, block.script)
		r.awaitBatchJobs()
		if want.prepare != nil {
			want.prepare()
		}
		printed := r.shell.run(block.script)
		t.Logf("%s\n%s", block.script, printed)
		require.NotEmpty(t, want.prints, block.script)
		for _, pattern := range want.prints {
			require.Regexp(t, regexp.MustCompile("(?m)"+pattern), printed, block.script)
		}
		if want.check != nil {
			want.check()
		}
	}
	require.Len(t, wanted, len(blocks), "an expectation without a block")
}

// The commands that the last table of the page names are all executed above it.
func TestTemporalCLI_Table(t *testing.T) {
	t.Parallel()
	var scripts strings.Builder
	for _, block := range pageBlocks(t, cliPage) {
		scripts.WriteString(block.script)
	}
	page, err := os.ReadFile(filepath.Join("../..", cliPage))
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "\n| tctl | now |\n")
	require.True(t, found)
	commands := regexp.MustCompile("`(temporal [a-z -]+?)( --[a-z]+( status)?)?`").FindAllStringSubmatch(table, -1)
	require.Greater(t, len(commands), 15)
	for _, command := range commands {
		executed := regexp.MustCompile(command[1] + `\s`).MatchString(scripts.String())
		require.True(t, executed, command[1])
	}
}
