package devserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"syscall"
)

// namespaceID is the user and group id of a child inside its user namespace: any except
// root's.
const namespaceID = 1000

// account is the user that a child runs as. The zero value is this process's own user.
type account struct {
	namespace  bool                // in a user namespace: not root there, its files belong to this user
	credential *syscall.Credential // as another user of the machine
}

// unprivileged returns an account for a program that refuses to run as root. It prefers a
// user namespace, because all files remain the caller's. Where namespaces are not
// permitted, another user becomes the owner of the files. The probe is a command of the
// same program that changes nothing.
func unprivileged(ctx context.Context, probe Command, candidates []account) (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	var faults []error
	for _, candidate := range candidates {
		probe.as = candidate
		err := run(ctx, probe)
		if err == nil {
			return candidate, nil
		}
		faults = append(faults, err)
	}
	return account{}, fmt.Errorf("%s refuses to run as root, and neither a user namespace nor another user works: %w",
		probe.Name, errors.Join(faults...))
}

// rootAccounts returns the accounts that root may use for such a program, best first.
func rootAccounts() []account {
	var all []account
	if runtime.GOOS == "linux" {
		all = append(all, account{namespace: true})
	}
	return append(all, otherUsers()...)
}

// otherUsers returns the users that a private database may run as instead of root.
func otherUsers() []account {
	var all []account
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
		if uidErr == nil && gidErr == nil {
			all = append(all, account{credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}})
		}
	}
	return all
}

// own makes the account the owner of a file or folder.
func (a account) own(path string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(path, int(a.credential.Uid), int(a.credential.Gid))
}
