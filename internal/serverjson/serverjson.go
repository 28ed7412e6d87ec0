// Package serverjson decides which JSON a KurrentDB server can read. The system
// projections leave an event of content type application/json out of $ce- and $et- unless
// the server can read it. Such an event stays in its stream and in $all, and no
// subscription to a category delivers it.
//
// The package owns that one rule, which is neither stricter nor laxer than the server's:
// trailing commas are allowed, comments are skipped, text need not be valid UTF-8, and
// nesting is limited to 64 levels. Whether the content is meaningful is left to others.
package serverjson

import (
	"bytes"
	"errors"
	"fmt"
)

// maxDepth is how many levels of objects and arrays the server accepts.
const maxDepth = 64

// SyntaxError is the position where data stops being JSON to the server. It quotes
// nothing from the data.
type SyntaxError struct {
	Offset int // in bytes, from 0
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("its data is not JSON: %s at byte %d", e.Reason, e.Offset)
}

// Check returns nil if the server can read data as JSON, and otherwise why not. The
// error is a *SyntaxError unless data is empty.
func Check(data []byte) error {
	if len(data) == 0 {
		return errors.New("its data is empty")
	}
	s := scanner{data: data}
	if err := s.document(); err != nil {
		return err
	}
	return nil
}

// scanner reads one JSON document.
type scanner struct {
	data []byte
	at   int
	open []byte // the closing bracket of each object and array around the current position
}

func (s *scanner) document() error {
	if err := s.value(); err != nil {
		return err
	}
	for len(s.open) > 0 {
		if err := s.next(); err != nil {
			return err
		}
	}
	if err := s.blank(); err != nil {
		return err
	}
	if s.at < len(s.data) {
		return s.fault("data after the value")
	}
	return nil
}

// next reads what may follow a value inside an object or array.
func (s *scanner) next() error {
	if err := s.blank(); err != nil {
		return err
	}
	closing := s.open[len(s.open)-1]
	switch s.peek() {
	case closing:
		s.close()
		return nil
	case ',':
		s.at++
		return s.member(closing)
	}
	return s.fault("missing comma or closing bracket")
}

// member reads a value, with its name in an object, or the closing bracket after a
// trailing comma.
func (s *scanner) member(closing byte) error {
	if err := s.blank(); err != nil {
		return err
	}
	if s.peek() == closing {
		s.close()
		return nil
	}
	if closing == '}' {
		if err := s.name(); err != nil {
			return err
		}
	}
	return s.value()
}

func (s *scanner) close() {
	s.at++
	s.open = s.open[:len(s.open)-1]
}

func (s *scanner) name() error {
	if s.peek() != '"' {
		return s.fault("missing property name")
	}
	if err := s.text(); err != nil {
		return err
	}
	if err := s.blank(); err != nil {
		return err
	}
	if s.peek() != ':' {
		return s.fault("missing colon")
	}
	s.at++
	return nil
}

// value reads a scalar, or the beginning of an object or array with its first member.
func (s *scanner) value() error {
	if err := s.blank(); err != nil {
		return err
	}
	switch c := s.peek(); {
	case c == '{':
		return s.descend('}')
	case c == '[':
		return s.descend(']')
	case c == '"':
		return s.text()
	case c == '-' || isDigit(c):
		return s.number()
	}
	for _, literal := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(s.data[s.at:], []byte(literal)) {
			s.at += len(literal)
			return nil
		}
	}
	return s.fault("missing value")
}

func (s *scanner) descend(closing byte) error {
	if len(s.open) == maxDepth {
		return s.fault("nested too deeply")
	}
	s.open = append(s.open, closing)
	s.at++
	return s.member(closing)
}

func (s *scanner) text() error {
	for s.at++; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; {
		case c == '"':
			s.at++
			return nil
		case c < ' ':
			return s.fault("control character in a string")
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		}
	}
	return s.fault("missing end of a string")
}

// escape reads an escape sequence up to its last byte.
func (s *scanner) escape() error {
	s.at++
	c := s.peek()
	if c == 0 || bytes.IndexByte([]byte(`"\/bfnrtu`), c) < 0 {
		return s.fault("invalid escape sequence")
	}
	if c != 'u' {
		return nil
	}
	for range 4 {
		s.at++
		if !isHex(s.peek()) {
			return s.fault("invalid escape sequence")
		}
	}
	return nil
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.at++
	}
	leading := s.peek()
	digits := s.digits()
	if digits == 0 || digits > 1 && leading == '0' {
		return s.fault("invalid number")
	}
	if s.peek() == '.' {
		s.at++
		if s.digits() == 0 {
			return s.fault("invalid number")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		if s.digits() == 0 {
			return s.fault("invalid number")
		}
	}
	return nil
}

func (s *scanner) digits() (n int) {
	for ; isDigit(s.peek()); n++ {
		s.at++
	}
	return n
}

// blank skips white space and comments.
func (s *scanner) blank() error {
	for {
		switch s.peek() {
		case ' ', '\t', '\r', '\n':
			s.at++
		case '/':
			if err := s.comment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (s *scanner) comment() error {
	rest := s.data[s.at:]
	switch {
	case bytes.HasPrefix(rest, []byte("//")):
		end := bytes.IndexAny(rest, "\r\n\u2028\u2029")
		if end < 0 {
			s.at = len(s.data)
			return nil
		}
		s.at += end
		if rest[end] > 0x7f {
			return s.fault("line separator in a comment")
		}
		return nil
	case bytes.HasPrefix(rest, []byte("/*")):
		end := bytes.Index(rest[2:], []byte("*/"))
		if end < 0 {
			s.at = len(s.data)
			return s.fault("missing end of a comment")
		}
		s.at += 2 + end + 2
		return nil
	}
	return s.fault("missing value")
}

// peek returns the byte at the current position, or 0 at the end of the data. A zero byte
// is never part of JSON.
func (s *scanner) peek() byte {
	if s.at < len(s.data) {
		return s.data[s.at]
	}
	return 0
}

func (s *scanner) fault(reason string) *SyntaxError {
	if s.at >= len(s.data) {
		return &SyntaxError{Offset: len(s.data), Reason: "it ends too early"}
	}
	return &SyntaxError{Offset: s.at, Reason: reason}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }
