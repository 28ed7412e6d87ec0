package main

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"orderflow/dev/local/internal/orders"
)

// table is the display of a terminal. It draws over itself, and only what has changed.
type table struct{ program *tea.Program }

// newTable makes one that ends with the context. Keys come as keys there, so Ctrl-C does too.
func newTable(ctx context.Context, out io.Writer, b board, h hinter) table {
	options := []tea.ProgramOption{tea.WithContext(ctx), tea.WithOutput(out), tea.WithoutSignalHandler()}
	if !onTerminal(os.Stdin) {
		options = append(options, tea.WithInput(nil)) // there is nobody to press a key
	}
	return table{tea.NewProgram(model{board: b, hinter: h}, options...)}
}

// run draws until the context ends or somebody stops it.
func (t table) run() error {
	_, err := t.program.Run()
	if errors.Is(err, tea.ErrProgramKilled) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (t table) show(seen []orders.Seen) { t.program.Send(seen) }
func (t table) say(text string)         { t.program.Send(notice(text)) }

// notice is a message: something that is no order's business.
type notice string

// model is what the terminal shows.
type model struct {
	board  board
	hinter hinter
}

// Init has nothing to begin with: everything is sent.
func (m model) Init() tea.Cmd { return nil }

// Update takes what is sent, and the keys that stop.
func (m model) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch message := message.(type) {
	case []orders.Seen:
		m.board.seen, m.board.notice, m.board.now = message, "", time.Now()
		m.board.hints = m.hinter.hints(message)
	case notice:
		m.board.notice = string(message)
	case tea.WindowSizeMsg:
		m.board.height = message.Height
	case tea.KeyMsg:
		if key := message.String(); key == "ctrl+c" || key == "q" {
			return m, tea.Quit
		}
	}
	return m, nil
}

// View draws the board.
func (m model) View() string { return m.board.render() }
