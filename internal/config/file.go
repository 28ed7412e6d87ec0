package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
)

// maxFile bounds the content of a file that holds a setting.
const maxFile = 64 << 10

// fromFile sets the variable of a field to the content of the file that the variable in
// its tag orFile names, if there is one. Container platforms and systemd hand out secrets
// as files: unlike the environment, a file is not inherited by child processes and not
// shown when an operator inspects the container. It reports false with the fault if the
// file cannot be used.
func (l *loader) fromFile(tag reflect.StructTag) (Fault, bool) {
	name, fileName := variableOf(tag), tag.Get("orFile")
	path := l.environment[fileName]
	if path == "" {
		return Fault{}, true
	}
	if l.environment[name] != "" {
		return Fault{Name: fileName, Problem: "must not be set together with " + name}, false
	}
	content, err := readFile(path)
	switch {
	case err != nil:
		return Fault{Name: fileName, Problem: "names a file that cannot be read: " + fileProblem(err)}, false
	case content == "":
		return Fault{Name: fileName, Problem: "names a file that is empty"}, false
	}
	l.environment[name] = content
	delete(l.environment, fileName) // another field may read the same variable
	return Fault{}, true
}

// ReadFile reads a file that holds a secret again, as Load does. Its error has neither the
// content nor the path.
func ReadFile(path string) (string, error) {
	content, err := readFile(path)
	switch {
	case err != nil:
		return "", errors.New(fileProblem(err))
	case content == "":
		return "", errors.New("the file is empty")
	}
	return content, nil
}

// readFile returns the content of a file without the blanks around it.
func readFile(path string) (string, error) {
	opened, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer opened.Close()
	content, err := io.ReadAll(io.LimitReader(opened, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxFile {
		return "", fmt.Errorf("it has more than %d bytes", maxFile)
	}
	return strings.TrimSpace(string(content)), nil
}
