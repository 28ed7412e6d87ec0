package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"orderflow/internal/config"
	"orderflow/internal/email"
	"orderflow/internal/ses"
)

// templateSettings name the templates that the worker uses.
type templateSettings struct {
	Dir string `env:"EMAIL_TEMPLATES"`
}

func (c *cli) checkTemplates() *cobra.Command {
	cmd := &cobra.Command{
		Use: "check [DIR]", Short: "check the email templates of EMAIL_TEMPLATES, or of a folder, with samples",
		Long: "Check the email templates of EMAIL_TEMPLATES, or of a folder, and print the languages. Each kind of email is\n" +
			"rendered in each language with samples, as a worker does when it starts. It connects to no server.",
		Args: c.takes(argument{name: "[DIR]"}),
	}
	out := cmd.Flags().String("out", "", "also write the samples to this `FOLDER`, to look at them")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		s, err := settings[templateSettings](c)
		if err != nil {
			return err
		}
		dir := s.Dir
		if len(args) > 0 {
			dir = args[0]
		}
		templates, err := ses.LoadTemplates(dir)
		if err != nil {
			return err
		}
		if *out != "" {
			if err := writeSamples(templates, *out); err != nil {
				return err
			}
		}
		_, err = fmt.Fprintf(c.stdout, "templates of %s are complete: %s\n", cmp.Or(dir, "the program"), strings.Join(templates.Languages(), ", "))
		return err
	}
	return cmd
}

// writeSamples writes each sample as LANGUAGE-KIND-NUMBER.html and .txt.
func writeSamples(templates *ses.Templates, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return config.Invalid("--out", "must be a folder that can be written")
	}
	for _, language := range templates.Languages() {
		for _, kind := range email.Kinds() {
			for i, letter := range ses.Samples(kind, language) {
				rendered, err := templates.Render(letter)
				if err != nil {
					return err
				}
				name := filepath.Join(dir, fmt.Sprintf("%s-%s-%d", language, kind, i+1))
				if err := os.WriteFile(name+".html", []byte(rendered.HTML), 0o600); err != nil {
					return fmt.Errorf("write samples: %w", err)
				}
				if err := os.WriteFile(name+".txt", []byte("Subject: "+rendered.Subject+"\n\n"+rendered.Text), 0o600); err != nil {
					return fmt.Errorf("write samples: %w", err)
				}
			}
		}
	}
	return nil
}
