package video

import "strings"

// Endings of the names of files, after the id of the video that they belong to.
const (
	uploadEnding     = ".upload"
	transcodedEnding = ".mp4"
)

// UploadName returns the name of the file that was uploaded for a video.
func UploadName(id string) string { return id + uploadEnding }

// TranscodedName returns the name of the file that is made of it.
func TranscodedName(id string) string { return id + transcodedEnding }

// OwnerOf returns the id of the video that a file with a name of one of the two kinds
// belongs to, and reports whether it is such a name. No other video's message may name
// the file.
func OwnerOf(name string) (id string, ok bool) {
	for _, ending := range []string{uploadEnding, transcodedEnding} {
		if id, ok := strings.CutSuffix(name, ending); ok && ParseID(id) == nil {
			return id, true
		}
	}
	return "", false
}
