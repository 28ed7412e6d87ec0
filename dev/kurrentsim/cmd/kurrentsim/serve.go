package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/rpc"
	"orderflow/dev/kurrentsim/store"
)

const (
	defaultListen = "127.0.0.1:2113"
	stopTimeout   = 5 * time.Second
	// collectEarly trades a little time for memory: the index of a large log is
	// long-lived, and a quarter of it is enough room for short-lived objects.
	collectEarly = 25
)

func serve(ctx context.Context, args []string, stderr io.Writer) error {
	options, err := parseServe(args, stderr)
	if err != nil {
		return asUsage(err)
	}
	options.Logger = slog.New(slog.NewTextHandler(stderr, nil))
	debug.SetGCPercent(collectEarly)
	server, err := kurrentsim.Start(options)
	if err != nil {
		return err
	}
	options.Logger.Info("serving", "url", server.URL(), "data", options.DataDir)
	<-ctx.Done()
	stopping, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return server.Stop(stopping)
}

// parseServe parses the command line. Without --listen it opens the plain port only if
// there is no TLS port.
func parseServe(args []string, stderr io.Writer) (kurrentsim.Options, error) {
	var (
		options kurrentsim.Options
		secure  kurrentsim.TLSOptions
	)
	flags := newFlags("kurrentsim", stderr)
	flags.StringVar(&options.Listen, "listen", "", "host:port to serve on without TLS and credentials (default 127.0.0.1:2113, unless --listen-tls is set)")
	flags.StringVar(&options.DataDir, "data", "", "data directory; empty keeps events in memory")
	flags.StringVar(&secure.Listen, "listen-tls", "", "host:port to serve on with TLS, users and their rights")
	flags.StringVar(&secure.CertFile, "tls-cert", "", "certificate file (PEM) for --listen-tls")
	flags.StringVar(&secure.KeyFile, "tls-key", "", "key file (PEM) for --listen-tls")
	flags.Func("user", "`name:password[:group,...]` of a user of --listen-tls, in groups such as $admins and $ops; "+
		"the users admin and ops are in these by name; repeatable", userFlag(&secure.Users))
	flags.Func("version-string", "`major.minor.patch` of the release to behave like (default "+rpc.DefaultVersion+")", versionFlag(&options.Version))
	flags.Func("run-projections", "`None` for a server without the projections service, System (the default) or All", projectionsFlag(&options.WithoutProjections))
	standard := flags.Bool("start-standard-projections", true, "whether the system projections run from the start or wait to be enabled")
	flags.DurationVar(&options.ProjectionDelay, "projection-delay", 0, "how long the streams of the system projections lag behind, to test the effects of lag")
	flags.Func("hide-link", "`STREAM@REVISION` of an event whose link in $ce- no reader sees, to test the effects of loss; repeatable", hideFlag(&options.HiddenLinks))
	if err := parse(flags, args, 0); err != nil {
		return options, err
	}
	options.StoppedProjections = !*standard && !options.WithoutProjections
	if options.ProjectionDelay < 0 {
		return options, usageError{"--projection-delay must not be negative"}
	}
	var err error
	options.TLS, err = secureOptions(secure)
	options.SecureOnly = options.TLS != nil && options.Listen == ""
	options.Listen = cmp.Or(options.Listen, defaultListen)
	return options, err
}

// secureOptions returns nil if no TLS port is requested.
func secureOptions(o kurrentsim.TLSOptions) (*kurrentsim.TLSOptions, error) {
	given := 0
	for _, set := range []bool{o.Listen != "", o.CertFile != "", o.KeyFile != "", len(o.Users) > 0} {
		if set {
			given++
		}
	}
	switch given {
	case 0:
		return nil, nil
	case 4:
		return &o, nil
	}
	return nil, usageError{"--listen-tls, --tls-cert, --tls-key and --user name:password go together"}
}

func userFlag(to *[]kurrentsim.User) func(string) error {
	return func(text string) error {
		parts := strings.SplitN(text, ":", 3)
		if len(parts) < 2 || parts[0] == "" || parts[1] == "" {
			return errors.New("a user is name:password[:group,group]")
		}
		user := kurrentsim.User{Name: parts[0], Password: parts[1]}
		if len(parts) == 3 {
			user.Groups = strings.Split(parts[2], ",")
		}
		*to = append(*to, user)
		return nil
	}
}

// versionFlag accepts only versions that clients can parse; they reject a server whose
// version they cannot.
func versionFlag(to *string) func(string) error {
	return func(text string) error {
		if text == "" {
			return errors.New("a version is major.minor.patch")
		}
		_, err := rpc.ParseRelease(text)
		*to = text
		return err
	}
}

// projectionsFlag parses the server's option of that name, of which only None makes a
// difference here.
func projectionsFlag(without *bool) func(string) error {
	return func(text string) error {
		if !slices.Contains([]string{"none", "system", "all"}, strings.ToLower(text)) {
			return errors.New("projections are None, System or All")
		}
		*without = strings.EqualFold(text, "None")
		return nil
	}
}

func hideFlag(to *[]kurrentsim.Target) func(string) error {
	return func(text string) error {
		target, err := store.ParseTarget(text)
		*to = append(*to, target)
		return err
	}
}

func newFlags(name string, stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, "Usage:\n  kurrentsim [flags]               serve an event store\n"+
			"  kurrentsim read [flags] STREAM   print a stream of any server\nFlags of "+name+":\n")
		flags.PrintDefaults()
	}
	return flags
}

// parse accepts flags before and after the positional arguments, of which there must be
// exactly the given number.
func parse(flags *flag.FlagSet, args []string, arguments int) error {
	var positional []string
	for {
		if err := flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return err
			}
			return usageError{}
		}
		if flags.NArg() == 0 {
			break
		}
		positional = append(positional, flags.Arg(0))
		args = flags.Args()[1:]
	}
	if len(positional) != arguments {
		return usageError{fmt.Sprintf("%s takes %d arguments, not %q", flags.Name(), arguments, strings.Join(positional, " "))}
	}
	return flags.Parse(positional)
}

// asUsage turns a request for help into success.
func asUsage(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	return err
}
