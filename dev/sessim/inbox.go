package sessim

import (
	"slices"
	"sync"
	"time"
)

// maxKeptBytes limits the inbox in memory, whatever the size of the messages.
const maxKeptBytes = 256 << 20

// inbox keeps the newest messages in memory and, if it has a journal, all of them on
// disk.
type inbox struct {
	keep    int
	journal *journal // nil: memory only

	mu       sync.Mutex
	messages []Message // oldest first
	bytes    int
}

// openInbox loads the messages in the file. With an empty name it keeps nothing on disk.
func openInbox(file string, keep int) (*inbox, error) {
	in := &inbox{keep: keep}
	if file == "" {
		return in, nil
	}
	j, err := openJournal(file, keep, in.hold)
	if err != nil {
		return nil, err
	}
	in.journal = j
	return in, nil
}

// add keeps a message. It writes to disk first, so that an acknowledged message survives
// a kill.
func (in *inbox) add(m Message) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.journal != nil {
		if err := in.journal.write(m); err != nil {
			return err
		}
	}
	in.hold(m)
	return nil
}

func (in *inbox) hold(m Message) {
	in.messages = append(in.messages, m)
	in.bytes += m.size()
	drop := 0
	for len(in.messages)-drop > in.keep || in.bytes > maxKeptBytes {
		in.bytes -= in.messages[drop].size()
		drop++
	}
	clear(in.messages[:drop]) // frees the bodies, which the front of the array would otherwise keep in memory
	in.messages = in.messages[drop:]
}

// find returns copies of the messages that match, oldest first.
func (in *inbox) find(f filter) []Message {
	in.mu.Lock()
	defer in.mu.Unlock()
	found := make([]Message, 0, min(len(in.messages), 64))
	for _, m := range in.messages {
		if f.matches(m) {
			found = append(found, m)
		}
	}
	return found
}

func (in *inbox) get(id string) (Message, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	i := slices.IndexFunc(in.messages, func(m Message) bool { return m.MessageID == id })
	if i < 0 {
		return Message{}, false
	}
	return in.messages[i], true
}

func (in *inbox) since(t time.Time) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := 0
	for i := len(in.messages) - 1; i >= 0 && in.messages[i].At.After(t); i-- {
		n++
	}
	return n
}

func (in *inbox) empty() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.journal != nil {
		if err := in.journal.truncate(); err != nil {
			return err
		}
	}
	in.messages, in.bytes = nil, 0
	return nil
}

func (in *inbox) close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.journal == nil {
		return nil
	}
	return in.journal.close()
}
