package config

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Load fills a T, a struct with `env` tags of caarlos0/env, from environ (as returned by
// os.Environ). Values are trimmed, and a blank variable counts as not set: its default
// applies, or it is a fault if it is required. A field with a tag `orFile:"NAME_FILE"`
// may be read from the file that this variable names instead. If the struct, or one nested in it, has a
// method Validate() []Fault, that is called as well. A method Unneeded() []string returns
// the variables that are not required after all, because of the other settings. The error
// is an *Error with every fault.
func Load[T any](environ []string) (T, error) {
	var settings T
	l := loader{environment: present(environ), faulty: map[string]bool{}}
	if err := l.fill(reflect.ValueOf(&settings).Elem()); err != nil {
		return settings, err
	}
	l.dropUnneeded(reflect.ValueOf(&settings).Elem())
	l.validate(reflect.ValueOf(&settings).Elem())
	if len(l.faults) > 0 {
		return settings, &Error{Faults: l.faults}
	}
	return settings, nil
}

// missing is the problem of a required variable that is not set.
const missing = "is required"

// validator is implemented by settings structs that check more than the form of single
// values.
type validator interface{ Validate() []Fault }

type loader struct {
	environment map[string]string
	faults      []Fault
	faulty      map[string]bool // variables that could not be read hold the zero value: validating them would confuse
}

// Has reports whether environ sets a variable to more than blanks, or the one that names a
// file in its place.
func Has(environ []string, name string) bool {
	environment := present(environ)
	return environment[name] != "" || environment[name+"_FILE"] != ""
}

func present(environ []string) map[string]string {
	environment := env.ToMap(environ)
	for name, value := range environment {
		environment[name] = strings.TrimSpace(value)
		if environment[name] == "" {
			delete(environment, name)
		}
	}
	return environment
}

// fill sets the fields of target one by one. The library names the Go field in its
// errors, which two nested structs may share. Only a field parsed alone identifies the
// faulty variable for certain.
func (l *loader) fill(target reflect.Value) error {
	for i := range target.NumField() {
		field := target.Type().Field(i)
		switch {
		case field.Tag.Get("env") != "" && field.IsExported():
			if err := l.fillOne(target.Field(i), field); err != nil {
				return fmt.Errorf("setting %s: %w", field.Name, err)
			}
		case field.Type.Kind() == reflect.Struct:
			if err := l.fill(target.Field(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loader) fillOne(target reflect.Value, field reflect.StructField) error {
	if fault, ok := l.fromFile(field.Tag); !ok {
		l.faults = append(l.faults, fault)
		l.faulty[variableOf(field.Tag)] = true
		return nil
	}
	field.Anonymous = false
	single := reflect.New(reflect.StructOf([]reflect.StructField{field}))
	err := env.ParseWithOptions(single.Interface(), env.Options{Environment: l.environment})
	if err == nil {
		target.Set(single.Elem().Field(0))
		return nil
	}
	problem, known := problemOf(err, field.Type)
	if !known {
		return err
	}
	name := variableOf(field.Tag)
	l.faults = append(l.faults, Fault{Name: name, Problem: problem})
	l.faulty[name] = true
	return nil
}

func variableOf(tag reflect.StructTag) string {
	name, _, _ := strings.Cut(tag.Get("env"), ",")
	return name
}

func (l *loader) validate(target reflect.Value) {
	if v, ok := target.Addr().Interface().(validator); ok {
		for _, fault := range v.Validate() {
			if !l.faulty[fault.Name] {
				l.faults = append(l.faults, fault)
			}
		}
	}
	for i := range target.NumField() {
		if target.Field(i).Kind() == reflect.Struct && target.Type().Field(i).IsExported() {
			l.validate(target.Field(i))
		}
	}
}

// dropUnneeded drops the faults of required variables that are not set and, by the other
// settings, not needed.
func (l *loader) dropUnneeded(target reflect.Value) {
	if u, ok := target.Addr().Interface().(interface{ Unneeded() []string }); ok {
		unneeded := u.Unneeded()
		l.faults = slices.DeleteFunc(l.faults, func(f Fault) bool {
			drop := f.Problem == missing && slices.Contains(unneeded, f.Name)
			if drop {
				delete(l.faulty, f.Name) // it may be validated after all
			}
			return drop
		})
	}
	for i := range target.NumField() {
		if target.Field(i).Kind() == reflect.Struct && target.Type().Field(i).IsExported() {
			l.dropUnneeded(target.Field(i))
		}
	}
}

// problemOf describes a fault without the value. It reports false for errors that are the
// program's fault and not the environment's, such as a field of a type that nothing can
// parse.
func problemOf(err error, fieldType reflect.Type) (string, bool) {
	if _, ok := errors.AsType[env.VarIsNotSetError](err); ok {
		return missing, true
	}
	if _, ok := errors.AsType[env.EmptyVarError](err); ok {
		return missing, true
	}
	if file, ok := errors.AsType[env.LoadFileContentError](err); ok {
		return "names a file that cannot be read: " + fileProblem(file.Err), true
	}
	parse, ok := errors.AsType[env.ParseError](err)
	if !ok {
		return "", false
	}
	if problem := formOf(fieldType); problem != "" {
		return problem, true
	}
	return parse.Err.Error(), true // the type's own UnmarshalText, which knows what is secret
}

// fileProblem leaves out the path: if the variable was set to the secret itself, the path
// is the secret.
func fileProblem(err error) string {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return path.Err.Error()
	}
	return err.Error()
}

// formOf describes valid values of a plain type. The parsers' own errors quote the value.
func formOf(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "must be a duration such as 30s or 5m"
	case reflect.TypeFor[slog.Level]():
		return "must be debug, info, warn or error"
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[interface{ UnmarshalText([]byte) error }]()) {
		return ""
	}
	switch t.Kind() {
	case reflect.Bool:
		return "must be true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "must be a whole number in range"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "must be a whole number in range, not below zero"
	case reflect.Float32, reflect.Float64:
		return "must be a number"
	default:
		return "cannot be read"
	}
}
