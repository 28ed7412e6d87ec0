package collect

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// logs scans every file of a folder for personal data.
func (r *reader) logs(ctx context.Context) error {
	if r.sources.LogDir == "" {
		return nil
	}
	return filepath.WalkDir(r.sources.LogDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return r.logFile(path)
	})
}

func (r *reader) logFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewReaderSize(file, 1<<20) // a longer line is scanned in pieces
	for number := 1; ; number++ {
		line, err := lines.ReadSlice('\n')
		r.scan(line, "log", "", fmt.Sprintf("%s line %d", filepath.Base(path), number))
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}
