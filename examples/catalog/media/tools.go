package media

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"example.com/catalog/video"
)

// Bounds of an accepted video, and of the transcoded one.
const (
	maxDuration = 10 * time.Minute
	maxSide     = 4096 // pixels of the upload
	maxPixels   = maxSide * maxSide
	maxWidth    = 1280 // pixels of the transcoded video
	maxHeight   = 720
)

// Tools are the programs that the package runs. Find returns them.
type Tools struct {
	FFmpeg, FFprobe string // paths
	Recognizer      Recognizer
	MaxDuration     time.Duration // of a video
	Threads         int           // of one ffmpeg, for each of decoding and encoding
}

// ErrCrashed is returned, wrapped, if a program crashed, was killed or ran out of memory:
// by the kernel, for example, if the machine's memory is used up. Either the file or the
// machine is at fault, so the caller should limit how often it tries again.
var ErrCrashed = errors.New("program crashed")

// Unusable is the permanent error of a file that cannot be cataloged.
type Unusable struct {
	Reason video.Reason
	Detail string // for people: at most video.MaxDetail bytes, without paths of this machine
}

func (u *Unusable) Error() string { return string(u.Reason) + ": " + u.Detail }

func unusable(reason video.Reason, format string, args ...any) *Unusable {
	return &Unusable{Reason: reason, Detail: video.Cut(clean(fmt.Sprintf(format, args...)), video.MaxDetail)}
}

// Find finds the programs in $PATH, and the model where Debian installs it. It returns
// one error that lists everything that is missing, and the Debian packages to install.
func Find() (Tools, error) { return find("/usr/share/pocketsphinx/model/en-us") }

func find(model string) (Tools, error) {
	var missing []string
	program := func(name, debian string) string {
		path, err := exec.LookPath(name)
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s (package %s)", name, debian))
		}
		return path
	}
	t := Tools{
		FFmpeg: program("ffmpeg", "ffmpeg"), FFprobe: program("ffprobe", "ffmpeg"),
		MaxDuration: maxDuration, Threads: 2,
	}
	t.Recognizer = Sphinx{Program: program("pocketsphinx_continuous", "pocketsphinx"), Model: model}
	for _, name := range []string{hmm, languageModel, dictionary} {
		if _, err := os.Stat(filepath.Join(model, name)); err != nil {
			missing = append(missing, filepath.Join(model, name)+" (package pocketsphinx-en-us)")
		}
	}
	if len(missing) > 0 {
		return Tools{}, fmt.Errorf("missing: %s; on Debian: apt-get install ffmpeg pocketsphinx pocketsphinx-en-us",
			strings.Join(missing, ", "))
	}
	return t, nil
}

// input returns ffmpeg's and ffprobe's arguments for a file. With a protocol and an
// absolute path, its name cannot be an option, an address or a pattern.
func (t Tools) input(path string) ([]string, error) {
	format, err := sniff(path)
	if err != nil {
		return nil, err
	}
	path, err = filepath.Abs(path)
	return []string{
		"-protocol_whitelist", "file", "-f", format,
		"-threads", fmt.Sprint(t.Threads), "-max_pixels", fmt.Sprint(maxPixels), "-i", "file:" + path,
	}, err
}
