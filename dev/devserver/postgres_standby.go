package devserver

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
)

// errNoBaseBackup reports that PostgreSQL's programs lack pg_basebackup, which creates
// standbys. The fetched programs lack it.
var errNoBaseBackup = errors.New("pg_basebackup is not on this machine: install postgresql")

// makeStandby copies the server at options.StandbyOf, including its roles and their
// passwords. The copy streams from that URL when it starts.
func (c *cluster) makeStandby(ctx context.Context) error {
	if _, err := os.Stat(c.bin.baseBackup()); err != nil {
		return errNoBaseBackup
	}
	primary, err := url.Parse(c.options.StandbyOf)
	if err != nil {
		return errors.New("the primary's URL is malformed") // the parser's own error would repeat the URL
	}
	password, _ := primary.User.Password()
	if err := c.writePassword(password); err != nil {
		return err
	}
	fresh := c.data() + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	backup := Command{
		Name: "pg_basebackup", Path: c.bin.baseBackup(), Dir: c.options.Dir, LogFile: c.log(), as: c.as,
		Env:     append(serverEnvironment(), "PGPASSWORD="+password),
		inherit: []*os.File{c.lock},
		Args: []string{
			"-D", fresh, "-d", withoutPassword(primary), "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast",
		},
	}
	if c.options.Fast {
		backup.Args = append(backup.Args, "--no-sync")
	}
	if err := run(ctx, backup); err != nil {
		return fmt.Errorf("copy the primary: %w", err)
	}
	return os.Rename(fresh, c.data())
}

// withoutPassword keeps a password off the command line, which every user of the machine
// can read.
func withoutPassword(address *url.URL) string {
	bare := *address
	bare.User = url.User(address.User.Username())
	return bare.String()
}
