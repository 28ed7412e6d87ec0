package media

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/catalog/video"
)

// Transcode makes a video that browsers play: H.264 and AAC in an MP4 that plays before
// it is loaded completely, with at most 1280 x 720 pixels and 60 pictures a second. It
// drops the upload's metadata, which may contain where the video was made. info is what
// Probe returned. The file to may exist, and is incomplete after an error. Transcode
// returns an *Unusable if the video cannot be decoded to its end: viewers never see a
// damaged picture. progress is called whenever ffmpeg reports its own, never by two
// goroutines at a time.
func (t Tools) Transcode(ctx context.Context, from, to string, info Info, progress func(percent int)) error {
	input, err := t.input(from)
	if err != nil {
		return err
	}
	width, height := fit(info.Width, info.Height)
	progress(0)
	end, err := t.convert(ctx, input, to, info.Duration, progress,
		"-map", "0:V:0", "-map", "0:a:0?", "-map_metadata", "-1", "-map_chapters", "-1",
		"-vf", fmt.Sprintf("scale=%d:%d,setsar=1,format=yuv420p", width, height), "-fpsmax", "60",
		"-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-maxrate", "5M", "-bufsize", "10M",
		"-c:a", "aac", "-b:a", "128k", "-ar", "48000", "-ac", "2",
		"-threads", strconv.Itoa(t.Threads), "-movflags", "+faststart", "-f", "mp4")
	switch {
	case err != nil:
		return err
	case end > t.MaxDuration+time.Second: // the header was false
		return t.tooLong(end)
	case end < info.Duration-max(time.Second, info.Duration/20): // streams end at slightly different times
		return unusable(video.ReasonBroken, "it ends after %.1f of %.1f seconds", end.Seconds(), info.Duration.Seconds())
	}
	progress(100)
	return nil
}

// fit returns the size of a picture within the bounds, with nearly the same aspect ratio.
// Both sides are even, as H.264's usual color format requires.
func fit(width, height int) (int, int) {
	w, h := float64(width), float64(height)
	scale := min(1, maxWidth/w, maxHeight/h)
	even := func(side float64) int { return max(2, int(side*scale)/2*2) }
	return even(w), even(h)
}

// convert runs ffmpeg on a file that may be hostile, and returns the duration of the
// output. It ends at the first error that ffmpeg finds in the file, and soon after the
// longest accepted duration, also if the header is false. duration is what makes 100
// percent.
func (t Tools) convert(ctx context.Context, input []string, to string, duration time.Duration,
	percent func(int), options ...string,
) (end time.Duration, err error) {
	to, err = filepath.Abs(to)
	if err != nil {
		return 0, err
	}
	progress := &lines{each: func(line string) {
		text, found := strings.CutPrefix(line, "out_time_us=")
		us, err := strconv.ParseInt(text, 10, 64)
		if !found || err != nil {
			return
		}
		end = time.Duration(us) * time.Microsecond
		if duration > 0 {
			percent(int(min(max(100*end/duration, 0), 99)))
		}
	}}
	limit := (t.MaxDuration + 2*time.Second).Seconds()
	stderr, err := run(ctx, t.FFmpeg, progress, slices.Concat(
		[]string{"-v", "error", "-nostdin", "-nostats", "-progress", "pipe:1", "-xerror"},
		input, options, []string{"-filter_threads", "1", "-t", fmt.Sprint(limit), "-y", "file:" + to})...)
	if err != nil {
		return 0, classifyFailure(err)
	}
	if strings.Contains(stderr, "File ended prematurely") { // Matroska: ffmpeg does not report it as an error
		return 0, unusable(video.ReasonBroken, "the file ends early")
	}
	return end, nil
}
