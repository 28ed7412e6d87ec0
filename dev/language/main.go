// Command language counts words in the comments of the repository's Go code that a
// newcomer has to translate, and compares each count with the most that well-kept
// projects have. It owns the list of words; which wording is right is for the reader to
// judge, for whom it prints a random sample of comments.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "language:", err)
		}
		os.Exit(1)
	}
}

// term is a wording to be counted, and how often it may occur. Counts in river, setec and
// rqlite are the model.
type term struct {
	name    string
	pattern *regexp.Regexp
	most    int // negative: any number
}

func terms() []term {
	word := func(words string) *regexp.Regexp { return regexp.MustCompile(`(?i)\b(?:` + words + `)\b`) }
	return []term{
		{"returns", word("returns"), -1},
		{"answers", word("answers"), 4},
		{"gives", word("gives"), 4},
		{"tells", word("tells"), 4},
		{"nobody, somebody, whoever", word("nobody|somebody|whoever"), 0},
		{"stands", word("stands"), 0},
		{"for good, for ever", word("for good|for ever|forever"), 0},
	}
}

// run counts below the folder that it is given, and returns an error if a term occurs too
// often.
func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("language", flag.ContinueOnError)
	flags.SetOutput(stderr)
	root := flags.String("root", ".", "`folder` to read")
	list := flags.Bool("list", false, "print each place of a term that occurs too often")
	sample := flags.Int("sample", 0, "print so `many` comments, drawn at random, instead of counting")
	seed := flags.Uint64("seed", 1, "`number` that the sample is drawn with")
	if err := flags.Parse(args); err != nil {
		return err
	}
	comments, err := read(*root)
	if err != nil {
		return err
	}
	if *sample > 0 {
		return draw(stdout, comments, *sample, *seed)
	}
	return count(stdout, comments, *list)
}

func count(w io.Writer, comments []comment, list bool) error {
	var over []string
	for _, term := range terms() {
		var places []comment
		for _, c := range comments {
			for range term.pattern.FindAllString(c.text, -1) {
				places = append(places, c)
			}
		}
		limit := "any"
		if term.most >= 0 {
			limit = fmt.Sprint(term.most)
		}
		fmt.Fprintf(w, "%6d  (at most %s)  %s\n", len(places), limit, term.name)
		if term.most < 0 || len(places) <= term.most {
			continue
		}
		over = append(over, term.name)
		if list {
			for _, c := range slices.CompactFunc(places, func(a, b comment) bool { return a.place == b.place }) {
				fmt.Fprintf(w, "        %s\n", c.place)
			}
		}
	}
	if len(over) > 0 {
		return fmt.Errorf("too often in comments (--list prints where): %s", strings.Join(over, "; "))
	}
	return nil
}

// draw prints n comments. The same seed and code draw the same ones.
func draw(w io.Writer, comments []comment, n int, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, seed))
	random.Shuffle(len(comments), func(i, j int) { comments[i], comments[j] = comments[j], comments[i] })
	for _, c := range comments[:min(n, len(comments))] {
		if _, err := fmt.Fprintf(w, "%s\n%s\n\n", c.place, strings.TrimSpace(c.text)); err != nil {
			return err
		}
	}
	return nil
}
