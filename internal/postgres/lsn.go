package postgres

import "github.com/jackc/pglogrepl"

// LSN is a position in the server's write-ahead log, in bytes from its beginning. 0 means
// none.
type LSN uint64

// String returns the form that PostgreSQL writes: 0/1A2B3C4.
func (l LSN) String() string { return pglogrepl.LSN(l).String() }

func parseLSN(text string) (LSN, error) {
	lsn, err := pglogrepl.ParseLSN(text)
	return LSN(lsn), err
}
