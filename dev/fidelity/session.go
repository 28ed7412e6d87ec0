package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"orderflow/dev/fidelity/internal/probe"
	"orderflow/dev/fidelity/internal/transcript"
)

// maxAgain bounds how many probes are asked again: a larger number of differences is no
// coincidence.
const maxAgain = 24

// versionProbe asks for the server's version.
const versionProbe = "server.version"

// session is one comparison.
type session struct {
	options        options
	real           transcript.Transcript
	meant          reasons
	stdout, stderr io.Writer
}

// run asks, compares and reports. It returns an error if there is an unlisted difference.
// A server of a version other than the transcript's may differ.
func (s *session) run(ctx context.Context) error {
	began := time.Now()
	names := s.names()
	if len(names) == 0 {
		return errors.New("there is no such probe")
	}
	if err := s.requireDisposable(ctx); err != nil {
		return err
	}
	answers, err := s.ask(ctx, names, s.options.parallel)
	if err != nil {
		return err
	}
	got, err := collect(answers)
	if err != nil {
		return err
	}
	v := s.judge(got)
	if again := v.probes(); len(again) > 0 && len(again) <= maxAgain {
		if v, err = s.again(ctx, again, answers, got); err != nil {
			return err
		}
	}
	if err := s.record(answers); err != nil {
		return err
	}
	return s.report(v, got, time.Since(began))
}

// requireDisposable rejects a server whose data may be needed: probes leave streams
// behind and restart its subscriptions.
func (s *session) requireDisposable(ctx context.Context) error {
	if s.options.url == "" || s.options.throwaway {
		return nil
	}
	stream, err := probe.UsersStream(ctx, s.options.url)
	if err != nil {
		return err
	}
	if stream != "" {
		return fmt.Errorf("the server holds streams of its users, such as %q: only --throwaway says that nothing in it is needed", stream)
	}
	return nil
}

// names returns the probes to ask. Those about rights need a second user.
func (s *session) names() []string {
	return slices.DeleteFunc(probe.Names(), func(name string) bool {
		_, recorded := s.real[name]
		if s.options.url != "" && s.options.second.Name == "" && needsRights(name) {
			return true
		}
		if s.options.only != nil && !s.options.only.MatchString(name) {
			return true
		}
		return !recorded && !s.options.all
	})
}

// again repeats the probes with unexpected results, one after the other, and uses the new
// results. A late response on a busy machine is not a difference between servers.
func (s *session) again(ctx context.Context, names []string, answers []probe.Answer, got transcript.Transcript) (verdict, error) {
	fmt.Fprintf(s.stderr, "asking again: %s\n", strings.Join(names, ", "))
	second, err := s.ask(ctx, names, 1)
	if err != nil {
		return verdict{}, err
	}
	for _, answer := range second {
		i := slices.IndexFunc(answers, func(a probe.Answer) bool { return a.Probe == answer.Probe })
		answers[i] = answer
		delete(got, answer.Probe)
		if err := got.Add(answer.Line); err != nil {
			return verdict{}, err
		}
	}
	return s.judge(got), nil
}

func collect(answers []probe.Answer) (transcript.Transcript, error) {
	got := transcript.Transcript{}
	for _, answer := range answers {
		if err := got.Add(answer.Line); err != nil {
			return nil, fmt.Errorf("answer to %s: %w", answer.Probe, err)
		}
	}
	return got, nil
}

// record writes the transcript if --out is set.
func (s *session) record(answers []probe.Answer) error {
	if s.options.out == "" {
		return nil
	}
	var b bytes.Buffer
	for _, answer := range answers {
		b.Write(answer.Line)
		b.WriteByte('\n')
	}
	return os.WriteFile(s.options.out, b.Bytes(), 0o600)
}

// judge compares with the real server. Deliberate differences apply to kurrentsim only:
// an external server need not have them.
func (s *session) judge(got transcript.Transcript) verdict {
	v := judge(s.real, got, s.meant)
	if s.options.url != "" {
		v.ended = nil
	}
	return v
}

// report prints the differences, and returns an error if there are unintended ones.
func (s *session) report(v verdict, got transcript.Transcript, took time.Duration) error {
	for _, d := range v.found {
		want, answered := d.Parts()
		fmt.Fprintf(s.stdout, "%s\n  real %s\n  here %s\n", d.Key, want, answered)
	}
	for _, key := range v.ended {
		fmt.Fprintf(s.stdout, "%s\n  is listed as deliberate and differs no more: remove it from the list\n", key)
	}
	fmt.Fprintf(s.stderr, "%d probes compared with KurrentDB %s in %s: %d deliberate differences, %d others\n",
		v.compared, realVersion, took.Round(time.Second), v.accepted, len(v.found))
	if s.otherVersion(got) {
		fmt.Fprintf(s.stderr, "this server is of another version than %s: differences are listed and are no fault\n", realVersion)
		return nil
	}
	if n := len(v.found) + len(v.ended); n > 0 {
		return fmt.Errorf("%d answers are not as the transcript of KurrentDB %s says", n, realVersion)
	}
	return nil
}

// otherVersion reports whether an external server says that it has a version other than
// the transcript's. A server of unknown version is treated as having the same.
func (s *session) otherVersion(got transcript.Transcript) bool {
	version := versionOf(got)
	return s.options.url != "" && version != "" && version != versionOf(s.real)
}

var versionPattern = regexp.MustCompile(`^\d+\.\d+\.\d+`)

// versionOf returns the version that a server reported, or "" if it reported none.
func versionOf(t transcript.Transcript) string {
	for _, step := range t[versionProbe] {
		version, _ := step.Answer.(string)
		if versionPattern.MatchString(version) {
			return version
		}
	}
	return ""
}
