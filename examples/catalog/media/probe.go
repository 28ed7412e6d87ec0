package media

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"example.com/catalog/video"
)

// Info is the content of a video's header. A hostile file's header may be false:
// Transcode verifies the duration.
type Info struct {
	Duration      time.Duration
	Width, Height int // as displayed: rotated, and with square pixels
	HasAudio      bool
}

// Probe returns what the header of an upload contains. It returns an *Unusable if the
// file is not a video, has no readable header, or exceeds the bounds. A song with a cover
// picture is not a video.
func (t Tools) Probe(ctx context.Context, path string) (Info, error) {
	info, err := t.describe(ctx, path)
	switch {
	case err != nil:
		return Info{}, err
	case info.Duration > t.MaxDuration:
		return Info{}, t.tooLong(info.Duration)
	}
	return info, nil
}

// Describe returns what the header of a file contains that Transcode made. The file may
// be slightly longer than MaxDuration, because its streams end at slightly different
// times. No error is an *Unusable: the upload is not at fault.
func (t Tools) Describe(ctx context.Context, path string) (Info, error) {
	info, err := t.describe(ctx, path)
	var unusable *Unusable
	if errors.As(err, &unusable) {
		return Info{}, fmt.Errorf("describe the transcoded video: %s", unusable.Detail)
	}
	return info, err
}

func (t Tools) describe(ctx context.Context, path string) (Info, error) {
	input, err := t.input(path)
	if err != nil {
		return Info{}, err
	}
	header, err := t.header(ctx, input)
	if err != nil {
		return Info{}, err
	}
	info, err := header.info()
	if err != nil {
		return Info{}, err
	}
	if info.Duration == 0 { // a browser that records a video writes the header first
		info.Duration, err = t.measure(ctx, input)
	}
	if err == nil && info.Duration == 0 {
		err = unusable(video.ReasonBroken, "the file has no pictures")
	}
	return info, err
}

func (t Tools) tooLong(d time.Duration) error {
	return unusable(video.ReasonTooLong, "it lasts %v, and at most %v are accepted", d.Round(time.Second), t.MaxDuration)
}

// measure returns the duration of a video whose header has none. It reads the packets and
// decodes nothing.
func (t Tools) measure(ctx context.Context, input []string) (time.Duration, error) {
	return t.convert(ctx, input, "/dev/null", 0, nil, "-map", "0:V:0", "-map", "0:a:0?", "-c", "copy", "-f", "null")
}

// header is a part of what ffprobe prints.
type header struct {
	Streams []stream
	Format  struct{ Duration string }
}

type stream struct {
	Type          string `json:"codec_type"`
	Width, Height int
	PixelRatio    string `json:"sample_aspect_ratio"`
	Duration      string
	Disposition   struct {
		Picture int `json:"attached_pic"`
	}
	SideData []struct{ Rotation float64 } `json:"side_data_list"`
}

func (t Tools) header(ctx context.Context, input []string) (h header, err error) {
	output := &head{limit: 1 << 20}
	_, err = run(ctx, t.FFprobe, output, append([]string{
		"-v", "error", "-print_format", "json=compact=1", "-show_entries",
		"format=duration:stream=codec_type,width,height,sample_aspect_ratio,duration" +
			":stream_disposition=attached_pic:stream_side_data=rotation",
	}, input...)...)
	if err != nil {
		return header{}, classifyFailure(err)
	}
	if err := json.Unmarshal(output.kept, &h); err != nil {
		return header{}, unusable(video.ReasonBroken, "ffprobe's description of the file is not JSON")
	}
	return h, nil
}

// info returns the properties of the first video and the first audio stream, which
// Transcode uses. The duration is that of the longer one: other streams, such as
// subtitles, are ignored.
func (h header) info() (Info, error) {
	var picture, sound *stream
	for i, s := range h.Streams {
		switch {
		case s.Type == "video" && s.Disposition.Picture == 0 && picture == nil:
			picture = &h.Streams[i]
		case s.Type == "audio" && sound == nil:
			sound = &h.Streams[i]
		}
	}
	if picture == nil {
		return Info{}, unusable(video.ReasonNotVideo, "the file has no moving picture")
	}
	info := Info{HasAudio: sound != nil, Duration: seconds(picture.Duration)}
	if sound != nil {
		info.Duration = max(info.Duration, seconds(sound.Duration))
	}
	if info.Duration == 0 {
		info.Duration = seconds(h.Format.Duration)
	}
	var err error
	info.Width, info.Height, err = picture.size()
	return info, err
}

func (s stream) size() (width, height int, err error) {
	if min(s.Width, s.Height) < 1 || max(s.Width, s.Height) > maxSide {
		return 0, 0, unusable(video.ReasonNotVideo,
			"it has %d x %d pixels (0 if the number is unknown), and at most %d each way are accepted",
			s.Width, s.Height, maxSide)
	}
	width, height = s.Width, s.Height
	horizontal, vertical, _ := strings.Cut(s.PixelRatio, ":")
	h, _ := strconv.ParseFloat(horizontal, 64)
	v, _ := strconv.ParseFloat(vertical, 64)
	if h > 0 && v > 0 {
		width = int(min(max(math.Round(float64(width)*h/v), 1), maxSide))
	}
	for _, data := range s.SideData {
		if math.Mod(math.Abs(data.Rotation), 180) == 90 {
			return height, width, nil
		}
	}
	return width, height, nil
}

// seconds parses a duration that ffprobe prints. It returns 0 if ffprobe does not know
// it.
func seconds(s string) time.Duration {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n > 0) {
		return 0
	}
	return time.Duration(min(n, 1e9) * float64(time.Second))
}
