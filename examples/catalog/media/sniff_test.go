package media_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/catalog/media"
)

func TestFormat(t *testing.T) {
	t.Parallel()
	packet := "G" + strings.Repeat("\x00", 187)
	stamped := "\x00\x00\x00\x00" + packet
	for head, want := range map[string]string{
		"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00": "mov", // MP4
		"\x00\x00\x00\x14ftypqt  ":                 "mov", // QuickTime
		"\x00\x00\x00\x08wide\x00\x00\x00\x00mdat": "mov", // old QuickTime
		"\x00\x00\x00\x14pnot":                     "mov",
		"\x1aE\xdf\xa3\x9fB\x86\x81":               "matroska", // WebM
		"RIFF\x00\x10\x00\x00AVI LIST":             "avi",
		"\x00\x00\x01\xba\x44":                     "mpeg", // MPEG-PS
		"OggS\x00\x02":                             "ogg",
		packet + packet + packet:                   "mpegts",
		stamped + stamped + stamped:                "mpegts",

		"": "", "Good morning": "", "\x89PNG\r\n\x1a\n": "", "<!doctype html>": "", "GIF89a": "",
		"RIFF\x00\x10\x00\x00WAVEfmt ": "", packet: "", stamped + stamped: "", "\x7fELF\x02\x01\x01": "",
		"#EXTM3U\n": "", "ffconcat version 1.0\n": "",
	} {
		require.Equal(t, want, media.Format([]byte(head)), "%q", head)
		require.Equal(t, want, media.Format([]byte(head)[:min(len(head), media.HeadLength)]), "%q", head)
	}
}
