package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"orderflow/internal/config"
	"orderflow/internal/rights"
)

const withoutRights = "has no effect without --rights"

// rightsOptions are the flags of setup about rights in KurrentDB.
type rightsOptions struct {
	enabled, keepCorrelation *bool
	named                    map[string][]string // the users of a program that are not called like it
}

func (o *rightsOptions) add(flags *pflag.FlagSet) {
	o.named = map[string][]string{}
	o.enabled = flags.Bool("rights", false, "give the KurrentDB user of each binary its rights, and restrict all other users' rights on user streams")
	o.keepCorrelation = flags.Bool("keep-correlation", false,
		"with --rights: other programs need the projection $by_correlation_id, so it is not left to do; it opens orders to every user")
	flags.Var(value{"program=user", o.name}, "user", "with --rights: the KurrentDB user of "+strings.Join(rights.Binaries(), ", ")+
		" (default the same name), "+rights.Checkout+", any other program that places orders, or "+rights.CreditDesk+
		", one that decides about credit (default none); repeatable")
}

// name reads a program and its user.
func (o *rightsOptions) name(text string) error {
	program, user, _ := strings.Cut(text, "=")
	all := append(rights.Binaries(), rights.Others()...)
	if !slices.Contains(all, program) {
		last := len(all) - 1
		return errors.New("must be PROGRAM=USER, with one of " + strings.Join(all[:last], ", ") + " and " + all[last])
	}
	if err := checkUser(user); err != nil {
		return err
	}
	o.named[program] = append(o.named[program], user)
	return nil
}

func (o *rightsOptions) validate() error {
	if *o.enabled {
		return nil
	}
	var faults []error
	if len(o.named) > 0 {
		faults = append(faults, config.Invalid("--user", withoutRights))
	}
	if *o.keepCorrelation {
		faults = append(faults, config.Invalid("--keep-correlation", withoutRights))
	}
	return config.Merge(faults...)
}

// users returns the users of each program, or none without --rights.
func (o *rightsOptions) users() map[string][]string {
	if !*o.enabled {
		return nil
	}
	users := map[string][]string{}
	for _, binary := range rights.Binaries() {
		users[binary] = []string{binary}
	}
	for program, named := range o.named {
		users[program] = named
	}
	return users
}
