package transcript

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
)

// Key names one step of one probe.
type Key struct{ Probe, Step string }

func (k Key) String() string { return k.Probe + ": " + k.Step }

// Difference is a step to which two servers responded differently. If a server did not
// reach the step, its answer is Absent.
type Difference struct {
	Key
	Want, Got any
}

// Absent is the answer of a server to a step that it did not reach.
const Absent = "(no such step)"

// Compare returns the steps of one probe that differ, in order.
func Compare(probe string, want, got []Step) []Difference {
	var differences []Difference
	theirs := map[string]any{}
	for _, step := range got {
		theirs[step.Label] = step.Answer
	}
	add := func(label string, want, got any) {
		if !reflect.DeepEqual(want, got) {
			differences = append(differences, Difference{Key: Key{probe, label}, Want: want, Got: got})
		}
	}
	for _, step := range want {
		answer, ok := theirs[step.Label]
		if !ok {
			answer = Absent
		}
		add(step.Label, step.Answer, answer)
		delete(theirs, step.Label)
	}
	for _, step := range got {
		if answer, ok := theirs[step.Label]; ok {
			add(step.Label, Absent, answer)
		}
	}
	return differences
}

// Parts returns both sides as text, reduced to the parts that differ: for objects the
// differing keys, for lists what remains without their common beginning and end.
func (d Difference) Parts() (want, got string) {
	w, g := parts(d.Want, d.Got)
	return text(w), text(g)
}

func parts(want, got any) (any, any) {
	if w, ok := want.(map[string]any); ok {
		if g, ok := got.(map[string]any); ok {
			return partsOfObjects(w, g)
		}
	}
	if w, ok := want.([]any); ok {
		if g, ok := got.([]any); ok {
			return partsOfLists(w, g)
		}
	}
	return want, got
}

func partsOfObjects(want, got map[string]any) (any, any) {
	w, g := map[string]any{}, map[string]any{}
	for _, side := range []map[string]any{want, got} {
		for key := range side {
			if !reflect.DeepEqual(want[key], got[key]) {
				w[key], g[key] = parts(want[key], got[key])
			}
		}
	}
	return w, g
}

func partsOfLists(want, got []any) (any, any) {
	head := 0
	for head < min(len(want), len(got)) && reflect.DeepEqual(want[head], got[head]) {
		head++
	}
	want, got = want[head:], got[head:]
	for len(want) > 0 && len(got) > 0 && reflect.DeepEqual(want[len(want)-1], got[len(got)-1]) {
		want, got = want[:len(want)-1], got[:len(got)-1]
	}
	w, g := []any{}, []any{}
	if head > 0 {
		mark := fmt.Sprintf("[%d alike]", head)
		w, g = append(w, mark), append(g, mark)
	}
	if len(want) != len(got) {
		return append(w, want...), append(g, got...)
	}
	for i := range want {
		x, y := parts(want[i], got[i])
		w, g = append(w, x), append(g, y)
	}
	return w, g
}

// text returns an answer in one line.
func text(answer any) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(answer); err != nil {
		return fmt.Sprint(answer)
	}
	return string(bytes.TrimSpace(b.Bytes()))
}
