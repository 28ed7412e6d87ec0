package transcript_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/fidelity/internal/transcript"
)

func TestRead(t *testing.T) {
	t.Parallel()
	t.Run("numbers a label that comes again", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, []transcript.Step{{"then", "a"}, {"then #2", "b"}, {"other", "c"}},
			read(t, `{"probe":"p","result":[{"then":"a"},{"then":"b"},{"other":"c"}]}`)["p"])
	})
	t.Run("leaves out the wording of errors at any depth", func(t *testing.T) {
		t.Parallel()
		got := read(t, `{"probe":"p","result":[{"s":["x",{"code":"Unknown","text":"words","trailers":{"reason":"words","exception":"e"},"message":"words"}]}]}`)
		require.Equal(t, []any{"x", map[string]any{"code": "Unknown", "trailers": map[string]any{"exception": "e"}}}, got["p"][0].Answer)
	})
	t.Run("does not tell where in the client a call's time ran out", func(t *testing.T) {
		t.Parallel()
		got := read(t, `{"probe":"p","result":[{"s":[{"code":"DeadlineExceeded","fromError":"Unknown","grpc":"DeadlineExceeded"}]},{"t":[{"code":"DeadlineExceeded"}]}]}`)
		require.Equal(t, got["p"][0].Answer, got["p"][1].Answer)
	})
	t.Run("takes a probe without steps", func(t *testing.T) {
		t.Parallel()
		require.Empty(t, read(t, `{"probe":"p","result":null}`)["p"])
	})
	for name, text := range map[string]string{
		"refuses a probe that comes twice":  `{"probe":"p","result":[]}` + "\n" + `{"probe":"p","result":[]}`,
		"refuses a line that was cut":       `{"probe":"p","result":[{"s":`,
		"refuses a line that names nothing": `{}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := transcript.Read(strings.NewReader(text))
			require.ErrorContains(t, err, "line ")
		})
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	want := read(t, `{"probe":"p","result":[{"append":{"revision":1,"position":"P1"}},{"then":["a","b","c"]},{"gone":"x"}]}`)["p"]
	t.Run("finds nothing between equal answers whatever their wording and order of keys", func(t *testing.T) {
		t.Parallel()
		got := read(t, `{"probe":"p","result":[{"append":{"position":"P1","revision":1,"text":"other"}},{"then":["a","b","c"]},{"gone":"x"}]}`)["p"]
		require.Empty(t, transcript.Compare("p", want, got))
	})
	t.Run("names each step that changed, is missing or is new", func(t *testing.T) {
		t.Parallel()
		got := read(t, `{"probe":"p","result":[{"append":{"revision":2,"position":"P1"}},{"then":["a","x","c"]},{"new":"y"}]}`)["p"]
		differences := transcript.Compare("p", want, got)
		var said []string
		for _, d := range differences {
			w, g := d.Parts()
			said = append(said, d.String()+" "+w+" "+g)
		}
		require.Equal(t, []string{
			`p: append {"revision":1} {"revision":2}`,
			`p: then ["[1 alike]","b"] ["[1 alike]","x"]`,
			`p: gone "x" "(no such step)"`,
			`p: new "(no such step)" "y"`,
		}, said)
	})
	t.Run("tells an absent answer from null, and a number from its text", func(t *testing.T) {
		t.Parallel()
		one := read(t, `{"probe":"p","result":[{"a":null},{"b":1},{"c":[1]}]}`)["p"]
		other := read(t, `{"probe":"p","result":[{"b":"1"},{"c":[1,1]}]}`)["p"]
		require.Len(t, transcript.Compare("p", one, other), 3)
	})
}

func read(t *testing.T, text string) transcript.Transcript {
	t.Helper()
	got, err := transcript.Read(strings.NewReader(text))
	require.NoError(t, err)
	return got
}
