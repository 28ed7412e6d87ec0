package crash

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// tail is what is appended to a log from now on.
type tail struct {
	path string
	from int64
}

func tailOf(path string) (tail, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return tail{path: path}, nil
	}
	if err != nil {
		return tail{}, fmt.Errorf("log: %w", err)
	}
	return tail{path: path, from: info.Size()}, nil
}

// count returns how many lines are exactly equal to line.
func (t tail) count(line string) (n int, err error) {
	file, err := os.Open(t.path)
	if err != nil {
		return 0, fmt.Errorf("log: %w", err)
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Seek(t.from, io.SeekStart); err != nil {
		return 0, fmt.Errorf("log: %w", err)
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if lines.Text() == line {
			n++
		}
	}
	return n, lines.Err()
}
