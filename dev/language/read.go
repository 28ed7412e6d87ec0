package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
)

// comment is one comment group of a Go file.
type comment struct {
	place string // file:line, below the root
	text  string // without slashes, nor directives such as //go:embed
}

// read returns the comments of all Go files below root, in their order. It leaves out
// tests, testdata, and folders that the go command ignores.
func read(root string) ([]comment, error) {
	var comments []comment
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		found, err := readFile(root, path)
		comments = append(comments, found...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read Go files: %w", err)
	}
	return comments, nil
}

func readFile(root, path string) ([]comment, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	name, err := filepath.Rel(root, path)
	if err != nil {
		return nil, err
	}
	var comments []comment
	for _, group := range file.Comments {
		if text := group.Text(); text != "" {
			comments = append(comments, comment{place: fmt.Sprintf("%s:%d", filepath.ToSlash(name), files.Position(group.Pos()).Line), text: text})
		}
	}
	return comments, nil
}
