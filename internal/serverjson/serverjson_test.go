package serverjson_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/serverjson"
)

// maxDepth is how many levels the server accepts.
const maxDepth = 64

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"an object":                        ` { "b" : 1.50,` + "\n" + ` "a":"\u00e9", "a":[2,{}] }` + "\n",
		"a scalar":                         "17",
		"a trailing comma in an object":    `{"a":1,}`,
		"a trailing comma in an array":     `[1,]`,
		"invalid UTF-8 in a string":        "{\"a\":\"\xff\"}",
		"half a surrogate pair":            `"\ud800"`,
		"comments":                         "/* a */ {\"a\": // b\r\n 1 /*/ c */ } // d",
		"a comment after a trailing comma": "[1, /* a */ ]",
		"the deepest nesting":              nested(maxDepth),
		"a negative number":                "[-0, -1.5E-3]",
	} {
		t.Run("accepts "+name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, serverjson.Check([]byte(data)))
		})
	}
	for name, c := range map[string]struct{ data, want string }{
		"no data":                    {"", "its data is empty"},
		"white space alone":          {" \n", "its data is not JSON: it ends too early at byte 2"},
		"a comment alone":            {"// a", "it ends too early at byte 4"},
		"text":                       {"not json {", "missing value at byte 0"},
		"a byte order mark":          {"\xef\xbb\xbf{}", "missing value at byte 0"},
		"invalid UTF-8 elsewhere":    {"{\"a\":\xff}", "missing value at byte 5"},
		"an object that is cut":      {`{"a":1`, "it ends too early at byte 6"},
		"an array that is cut":       {`[1,`, "it ends too early at byte 3"},
		"a string that is cut":       {`"a`, "it ends too early at byte 2"},
		"two commas":                 {`{"a":1,,}`, "missing property name at byte 7"},
		"a comma alone":              {`[,]`, "missing value at byte 1"},
		"no comma":                   {`[1 2]`, "missing comma or closing bracket at byte 3"},
		"another closing bracket":    {`[1}`, "missing comma or closing bracket at byte 2"},
		"a name without quotes":      {`{a:1}`, "missing property name at byte 1"},
		"single quotes":              {`{'a':1}`, "missing property name at byte 1"},
		"a name without a value":     {`{"a",}`, "missing colon at byte 4"},
		"two values":                 {"{}{}", "data after the value at byte 2"},
		"a control character":        {"\"a\tb\"", "control character in a string at byte 2"},
		"an unknown escape":          {`"\x41"`, "invalid escape sequence at byte 2"},
		"a short escape":             {`"\u12g4"`, "invalid escape sequence at byte 5"},
		"a leading zero":             {"[01]", "invalid number at byte 3"},
		"a fraction without digits":  {"[1.]", "invalid number at byte 3"},
		"an exponent without digits": {"[1e]", "invalid number at byte 3"},
		"a minus alone":              {"[-]", "invalid number at byte 2"},
		"a plus":                     {"+1", "missing value at byte 0"},
		"NaN":                        {"NaN", "missing value at byte 0"},
		"a literal with a tail":      {"truex", "data after the value at byte 4"},
		"an open comment":            {"1 /* a", "it ends too early at byte 6"},
		"half a comment":             {"1 / 2", "missing value at byte 2"},
		"a line separator":           {"1 // a\u2028", "line separator in a comment at byte 6"},
		"nesting that is too deep":   {nested(maxDepth + 1), "nested too deeply at byte 64"},
		"a zero byte":                {"1\x00", "data after the value at byte 1"},
	} {
		t.Run("rejects "+name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, serverjson.Check([]byte(c.data)), c.want)
		})
	}
}

// Strict JSON is a subset of what the server reads, and no input makes the scanner panic.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2.5e3,"x\u00e9\n",null,true,false,{}]}`, `[1,]`, "// a\n1", "\"\xff\"", `{"a":`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := serverjson.Check(data)
		if json.Valid(data) && bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) <= maxDepth {
			require.NoError(t, err)
		}
	})
}
