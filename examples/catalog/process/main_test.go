package process

import (
	"io"
	"strings"
)

const digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func stringsReader(s string) io.Reader { return strings.NewReader(s) }

func replace(s, from, to string) string { return strings.ReplaceAll(s, from, to) }
