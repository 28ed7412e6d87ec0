package media

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"

	"example.com/catalog/video"
)

// Formats lists the accepted formats, for messages to people.
const Formats = "MP4, QuickTime, Matroska, WebM, AVI, Ogg, MPEG-PS or MPEG-TS"

// HeadLength is how many of a file's first bytes Format needs: three packets of a
// transport stream begin in them.
const HeadLength = 512

// Format determines the format of a file from its first bytes: HeadLength of them, or all
// if the file is shorter. It returns ffmpeg's name of the format, and "" if the format is
// not accepted. Whether the file can be played is only known once all of it was decoded.
func Format(head []byte) string {
	has := func(offset int, magic string) bool {
		return len(head) >= offset && bytes.HasPrefix(head[offset:], []byte(magic))
	}
	atoms := []string{"ftyp", "moov", "mdat", "wide", "free", "skip", "pnot"} // old QuickTime begins with any
	switch {
	case slices.ContainsFunc(atoms, func(atom string) bool { return has(4, atom) }):
		return "mov"
	case has(0, "\x1a\x45\xdf\xa3"):
		return "matroska"
	case has(0, "RIFF") && has(8, "AVI "):
		return "avi"
	case has(0, "\x00\x00\x01\xba"):
		return "mpeg"
	case has(0, "OggS"):
		return "ogg"
	case has(0, "G") && has(188, "G") && has(376, "G"), // packets of 188 bytes
		has(4, "G") && has(196, "G") && has(388, "G"): // packets of 192 bytes: a timestamp precedes each
		return "mpegts"
	}
	return ""
}

// sniff determines the format from the first bytes. It returns an *Unusable if the format
// is not accepted. ffmpeg's own detection is not used: it also considers the file's name,
// and could return any of its 300 formats.
func sniff(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	head := make([]byte, HeadLength)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	if format := Format(head[:n]); format != "" {
		return format, nil
	}
	return "", unusable(video.ReasonNotVideo, "the file is not "+Formats)
}
