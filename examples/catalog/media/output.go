package media

// head keeps the first bytes of an output.
type head struct {
	kept  []byte
	limit int
}

func (h *head) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(len(p), h.limit-len(h.kept))]...)
	return len(p), nil
}

// tail keeps the last bytes of an output.
type tail struct {
	kept  []byte
	limit int
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(0, len(p)-t.limit):]...)
	t.kept = t.kept[max(0, len(t.kept)-t.limit):]
	return len(p), nil
}

// lines calls each with every line of an output, cut at 1,000 bytes.
type lines struct {
	each func(string)
	line []byte
}

func (l *lines) Write(p []byte) (int, error) {
	for _, b := range p {
		if b == '\n' {
			l.each(string(l.line))
			l.line = l.line[:0]
		} else if len(l.line) < 1000 {
			l.line = append(l.line, b)
		}
	}
	return len(p), nil
}
