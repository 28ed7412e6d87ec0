package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"orderflow/dev/local/internal/orders"
)

// Control sequences of ECMA-48, and of DEC for line wrapping, which every terminal
// supports.
const (
	wrapOff      = "\x1b[?7l"
	wrapOn       = "\x1b[?7h"
	cursorUp     = "\x1b[%dA"
	clearLine    = "\x1b[K" // right of the cursor
	clearScreen  = "\x1b[J" // below the cursor
	carriageBack = "\r"
)

// table is the display on a terminal. It draws each board over the previous one. It is
// safe for concurrent use.
type table struct {
	out    io.Writer
	height func() int // lines of the terminal; 0 if they are unknown
	hinter hinter

	mu    sync.Mutex
	board board
	drawn int // lines
}

// newTable returns a table that has drawn a board without orders.
func newTable(out io.Writer, height func() int, b board, h hinter) *table {
	t := &table{out: out, height: height, hinter: h, board: b}
	t.draw()
	return t
}

// show draws orders and removes the message of say.
func (t *table) show(seen []orders.Seen) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.board.seen, t.board.notice, t.board.now = seen, "", time.Now()
	t.board.hints = t.hinter.hints(seen)
	t.draw()
}

// say draws a message that does not belong to an order.
func (t *table) say(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.board.notice = text
	t.draw()
}

// draw writes the board in one call, so that no partial board is visible. The terminal
// cuts off long lines.
func (t *table) draw() {
	if t.board.height = t.height(); t.board.height > 0 {
		t.board.height-- // the cursor's line below the board
	}
	text := t.board.render()
	var b strings.Builder
	b.WriteString(wrapOff + carriageBack)
	if t.drawn > 0 {
		fmt.Fprintf(&b, cursorUp, t.drawn)
	}
	b.WriteString(strings.ReplaceAll(text, "\n", clearLine+"\n") + clearScreen + wrapOn)
	t.drawn = strings.Count(text, "\n")
	_, _ = io.WriteString(t.out, b.String()) // a terminal that was closed ends the program by SIGHUP
}

// heightOf returns the number of lines of a terminal, or 0 if it is unknown.
func heightOf(out any) int {
	file, ok := out.(*os.File)
	if !ok {
		return 0
	}
	_, height, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return height
}
