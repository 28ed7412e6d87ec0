package main

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// rename changes the module path of the repository in root to path. It returns an error
// if other modules could not import that path. Nothing is written unless every file can
// be rewritten.
func rename(root, path string) error {
	if err := module.CheckPath(path); err != nil {
		return err
	}
	content, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	old := modfile.ModulePath(content)
	if old == "" {
		return fmt.Errorf("%s has no module path", filepath.Join(root, "go.mod"))
	}
	rewritten := map[string][]byte{}
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != root && (entry.Name() == "node_modules" || strings.HasPrefix(entry.Name(), ".")):
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		changed, err := rewrite(name, old, path)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if changed != nil {
			rewritten[name] = changed
		}
		return nil
	})
	if err != nil {
		return err
	}
	for name, content := range rewritten {
		if err := os.WriteFile(name, content, 0o600); err != nil { // the mode of a file that is there stays
			return err
		}
	}
	return nil
}

// rewrite returns the new content of a file, or nil if the file does not name the module.
func rewrite(name, old, path string) ([]byte, error) {
	var rewriter func(content []byte, old, path string) ([]byte, error)
	switch base := filepath.Base(name); {
	case filepath.Ext(base) == ".go":
		rewriter = imports
	case base == "go.mod":
		rewriter = goMod
	case base == ".golangci.yml", filepath.Ext(base) == ".patch":
		rewriter = mentions
	default:
		return nil, nil
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	changed, err := rewriter(content, old, path)
	if err != nil || bytes.Equal(content, changed) {
		return nil, err
	}
	return changed, nil
}

// within returns importPath with old, if that is its first part, replaced by path.
func within(importPath, old, path string) string {
	if importPath == old || strings.HasPrefix(importPath, old+"/") {
		return path + strings.TrimPrefix(importPath, old)
	}
	return importPath
}

func imports(content []byte, old, path string) ([]byte, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", content, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	for _, spec := range slices.Backward(file.Imports) { // from the end, so that offsets stay right
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		start, end := files.Position(spec.Path.Pos()).Offset, files.Position(spec.Path.End()).Offset
		content = slices.Concat(content[:start], []byte(strconv.Quote(within(imported, old, path))), content[end:])
	}
	return content, nil
}

// goMod also rewrites the modules of tools, whose paths begin with the repository's, and
// the examples, which require the repository's and replace it by its folder.
func goMod(content []byte, old, path string) ([]byte, error) {
	file, err := modfile.Parse("go.mod", content, nil)
	if err != nil {
		return nil, err
	}
	if file.Module == nil {
		return content, nil
	}
	if err := file.AddModuleStmt(within(file.Module.Mod.Path, old, path)); err != nil {
		return nil, err
	}
	for _, required := range file.Require {
		renameIn(required.Syntax, required.Mod.Path, within(required.Mod.Path, old, path))
	}
	for _, replaced := range file.Replace {
		renameIn(replaced.Syntax, replaced.Old.Path, within(replaced.Old.Path, old, path))
	}
	return file.Format()
}

// renameIn changes a module path in its line, which stays where it is.
func renameIn(line *modfile.Line, old, path string) {
	if i := slices.Index(line.Token, old); i >= 0 {
		line.Token[i] = path
	}
}

// mentions rewrites text in which import paths follow a space, a quote or a bracket.
func mentions(content []byte, old, path string) ([]byte, error) {
	var pairs []string
	for _, before := range []string{" ", `"`} {
		pairs = append(pairs, before+old+"/", before+path+"/")
	}
	pairs = append(pairs, "["+old+"]", "["+path+"]")
	return []byte(strings.NewReplacer(pairs...).Replace(string(content))), nil
}
