package media

import (
	"context"
	"path/filepath"
	"strings"
	"unicode"

	"example.com/catalog/video"
)

// Recognizer recognizes the speech in a WAV file of 16 kHz, mono, 16 bits. It returns a
// line for each utterance.
type Recognizer interface {
	Recognize(ctx context.Context, wav string) (string, error)
}

// Transcribe returns the speech in a video that Transcode made, a line for each
// utterance. It is empty if the video has no sound, or no speech was recognized. A
// transcript of more than video.MaxTranscript bytes is cut at a word, and truncated is
// true. scratch is the file for the sound, which the caller removes. Transcribe returns
// an *Unusable if the video cannot be decoded. progress is never called by two goroutines
// at a time; the recognizer, which takes most of the time, reports no progress.
func (t Tools) Transcribe(ctx context.Context, from, scratch string, progress func(percent int),
) (transcript string, truncated bool, err error) {
	progress(0)
	text, err := t.transcribe(ctx, from, scratch, progress)
	if err != nil {
		return "", false, err
	}
	transcript, truncated = cut(clean(text), video.MaxTranscript)
	progress(100)
	return transcript, truncated, nil
}

func (t Tools) transcribe(ctx context.Context, from, scratch string, progress func(percent int)) (string, error) {
	info, err := t.describe(ctx, from)
	if err != nil || !info.HasAudio {
		return "", err
	}
	input, err := t.input(from)
	if err != nil {
		return "", err
	}
	tenth := func(percent int) { progress(percent / 10) }
	_, err = t.convert(ctx, input, scratch, info.Duration, tenth,
		"-map", "0:a:0", "-map_metadata", "-1", "-c:a", "pcm_s16le", "-ar", "16000", "-ac", "1",
		"-bitexact", "-f", "wav") // bitexact: a header of 44 bytes, as pocketsphinx expects it
	if err != nil {
		return "", err
	}
	return t.Recognizer.Recognize(ctx, scratch)
}

// Sphinx is the recognizer of CMU Sphinx, for English. It uses one core, and takes about
// as long as the speech, or less.
type Sphinx struct {
	Program string // path of pocketsphinx_continuous
	Model   string // folder of the model
}

// Files of the model.
const (
	hmm           = "en-us"
	languageModel = "en-us.lm.bin"
	dictionary    = "cmudict-en-us.dict"
)

// Recognize implements Recognizer. No error is an *Unusable: this package wrote the WAV
// file.
func (s Sphinx) Recognize(ctx context.Context, wav string) (string, error) {
	wav, err := filepath.Abs(wav)
	if err != nil {
		return "", err
	}
	output := &head{limit: 2 * video.MaxTranscript}
	_, err = run(ctx, s.Program, output,
		"-infile", wav, "-hmm", filepath.Join(s.Model, hmm),
		"-lm", filepath.Join(s.Model, languageModel), "-dict", filepath.Join(s.Model, dictionary))
	return string(output.kept), err
}

// clean removes what JSON and PostgreSQL cannot store from a text, and empty lines and
// repeated spaces.
func clean(text string) string {
	var lines []string
	for line := range strings.Lines(strings.ToValidUTF8(text, "")) {
		line = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) && !unicode.IsSpace(r) {
				return -1
			}
			return r
		}, line)
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// cut cuts a text at the end of a word, so that it has at most limit bytes, and reports
// whether it did. A text whose first word is longer is cut within the word.
func cut(text string, limit int) (string, bool) {
	if len(text) <= limit {
		return text, false
	}
	if end := strings.LastIndexAny(text[:limit+1], " \n"); end > 0 {
		return text[:end], true
	}
	return video.Cut(text, limit), true
}
