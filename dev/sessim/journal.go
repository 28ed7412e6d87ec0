package sessim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// maxLine is more than the longest line of a message: a request's body with every byte
// escaped as \u00xx.
const maxLine = 8 * maxBody

// journal is an append-only file of JSON lines, one per message.
type journal struct {
	file *os.File
	size int64 // where the last whole line ends
}

// openJournal passes each message of the file to visit, oldest first, and opens the file
// for appending. A last line without an end is what a kill left of a message that was
// never acknowledged: it is cut off. A file with more than twice as many lines as keep is
// rewritten with the newest keep.
func openJournal(name string, keep int, visit func(Message)) (*journal, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600) // it contains addresses
	if err != nil {
		return nil, err
	}
	j := &journal{file: file}
	newest, lines, err := j.read(keep)
	if err == nil {
		err = file.Truncate(j.size)
	}
	if err == nil && lines > 2*keep {
		err = j.rewrite(name, newest)
	}
	if err != nil {
		return nil, errors.Join(err, j.close())
	}
	for _, m := range newest {
		visit(m)
	}
	return j, nil
}

// read returns the newest messages and the total number of lines.
func (j *journal) read(keep int) (newest []Message, lines int, err error) {
	scanner := bufio.NewScanner(j.file)
	scanner.Buffer(make([]byte, 64<<10), maxLine)
	scanner.Split(wholeLines)
	for scanner.Scan() {
		var m Message
		if err := json.Unmarshal(scanner.Bytes(), &m); err != nil {
			return nil, lines, fmt.Errorf("%s line %d: %w", j.file.Name(), lines+1, err)
		}
		lines++
		j.size += int64(len(scanner.Bytes())) + 1
		if newest = append(newest, m); len(newest) > 2*keep {
			newest = append([]Message(nil), newest[len(newest)-keep:]...)
		}
	}
	return newest[max(0, len(newest)-keep):], lines, scanner.Err()
}

// wholeLines splits like bufio.ScanLines, except that it drops a line without an end.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF {
		return len(data), nil, nil
	}
	return 0, nil, nil
}

func (j *journal) write(m Message) error {
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	n, err := j.file.WriteAt(append(line, '\n'), j.size) // overwrites what a failed write may have left
	if err != nil {
		return err
	}
	j.size += int64(n)
	return nil
}

// rewrite replaces the file atomically, so that a kill leaves either the old or the new
// one.
func (j *journal) rewrite(name string, messages []Message) error {
	next, err := os.OpenFile(name+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	old := j.file
	j.file, j.size = next, 0
	for _, m := range messages {
		if err := j.write(m); err != nil {
			return errors.Join(err, old.Close())
		}
	}
	return errors.Join(os.Rename(next.Name(), name), old.Close())
}

func (j *journal) truncate() error {
	if err := j.file.Truncate(0); err != nil {
		return err
	}
	j.size = 0
	return nil
}

func (j *journal) close() error { return j.file.Close() }
