package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pglogrepl"
)

var (
	errTruncated = errors.New("truncated message")
	errNoInsert  = errors.New("a row in a form that is not known")
)

// columnValue is a column of a row as it was sent. Its data is part of the message.
type columnValue struct {
	kind byte
	data []byte
}

// parseInsert returns the table's id and the columns of an inserted row. The library's
// parser reserves the memory that a column announces before it looks how much was sent.
func parseInsert(data []byte) (relation uint32, values []columnValue, err error) {
	const header = 4 + 1 + 2
	if len(data) < header {
		return 0, nil, errTruncated
	}
	relation = binary.BigEndian.Uint32(data)
	if data[4] != 'N' {
		return 0, nil, errNoInsert
	}
	count, rest := int(binary.BigEndian.Uint16(data[5:])), data[header:]
	if count > len(rest) { // a column has at least its kind
		return 0, nil, errTruncated
	}
	values = make([]columnValue, count)
	for i := range values {
		if values[i], rest, err = cutColumn(rest); err != nil {
			return 0, nil, err
		}
	}
	return relation, values, nil
}

// cutColumn returns the first column of data and what follows it.
func cutColumn(data []byte) (value columnValue, rest []byte, err error) {
	if len(data) == 0 {
		return columnValue{}, nil, errTruncated
	}
	value.kind, rest = data[0], data[1:]
	switch value.kind {
	case pglogrepl.TupleDataTypeNull, pglogrepl.TupleDataTypeToast:
		return value, rest, nil
	case pglogrepl.TupleDataTypeText, pglogrepl.TupleDataTypeBinary:
	default:
		return columnValue{}, nil, errNoInsert
	}
	if len(rest) < 4 {
		return columnValue{}, nil, errTruncated
	}
	size, rest := binary.BigEndian.Uint32(rest), rest[4:]
	if uint64(size) > uint64(len(rest)) {
		return columnValue{}, nil, errTruncated
	}
	value.data = rest[:size]
	return value, rest[size:], nil
}

// tuple is one row; err is set for the first column that could not be read.
type tuple struct {
	columns map[string]int
	values  []columnValue
	err     error
}

// value returns a column's text, or nil for NULL. The text is a copy, because the
// message's memory is reused.
func (t *tuple) value(name string) []byte {
	i, ok := t.columns[name]
	if !ok || i >= len(t.values) {
		t.fail(name)
		return nil
	}
	switch t.values[i].kind {
	case pglogrepl.TupleDataTypeText:
		return append([]byte{}, t.values[i].data...)
	case pglogrepl.TupleDataTypeNull:
		return nil
	default:
		t.fail(name)
		return nil
	}
}

// added returns the text of a column that a later migration added, or "" for NULL. The
// log may hold rows that were written before.
func (t *tuple) added(name string) string {
	if _, ok := t.columns[name]; !ok {
		return ""
	}
	return string(t.value(name))
}

func (t *tuple) number(name string) int64 {
	n, err := strconv.ParseInt(string(t.value(name)), 10, 64)
	if err != nil {
		t.fail(name)
	}
	return n
}

func (t *tuple) fail(column string) {
	if t.err == nil {
		t.err = fmt.Errorf("%w: column %s of %s", ErrUndecodable, column, historyTable)
	}
}
