package media_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/catalog/media"
	"example.com/catalog/video"
)

// maxWordErrors is the bound of wrong, missing and additional words, of those spoken.
// Measured are 1 of 18, which is 0.06.
const maxWordErrors = 0.2

func TestSpeech(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	from := r.speech()
	info, err := r.Probe(t.Context(), from)
	require.NoError(t, err)
	require.InDelta(t, 5, info.Duration.Seconds(), 0.5)
	require.Equal(t, media.Info{Duration: info.Duration, Width: 320, Height: 240, HasAudio: true}, info)

	to, reports := r.path("out.mp4"), []int(nil)
	err = r.Transcode(t.Context(), from, to, info, func(percent int) { reports = append(reports, percent) })
	require.NoError(t, err)
	require.IsNonDecreasing(t, reports)
	require.Equal(t, []int{0, 100}, []int{reports[0], reports[len(reports)-1]})
	r.MaxDuration = info.Duration - time.Second // bounds uploads, not what was made of them
	out, err := r.Describe(t.Context(), to)
	require.NoError(t, err)
	require.InDelta(t, info.Duration.Seconds(), out.Duration.Seconds(), 0.2)
	content, err := os.ReadFile(to)
	require.NoError(t, err)
	require.Less(t, bytes.Index(content, []byte("moov")), bytes.Index(content, []byte("mdat")), "the index comes first")

	transcript, truncated, err := r.Transcribe(t.Context(), to, r.path("out.wav"), func(int) {})
	require.NoError(t, err)
	require.False(t, truncated)
	wrong, words := wordErrors(spoken, transcript), len(strings.Fields(spoken))
	t.Logf("%d of %d words are wrong in %q", wrong, words, transcript)
	require.LessOrEqual(t, float64(wrong)/float64(words), maxWordErrors)
}

// wordErrors returns how many words have to be replaced, added and removed to make one
// text of the other.
func wordErrors(want, got string) int {
	wants, gots := strings.Fields(want), strings.Fields(got)
	row := make([]int, len(gots)+1) // of the first words of want, the errors for each number of words of got
	for j := range row {
		row[j] = j
	}
	for i, word := range wants {
		diagonal := row[0]
		row[0] = i + 1
		for j := range gots {
			replaced := diagonal
			if word != gots[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(gots)]
}

func TestTranscribe(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.ffmpeg("-f lavfi -i testsrc2=size=64x48:rate=10:duration=1 -f lavfi -i anullsrc -t 1" + h264 + "silent.mp4" +
		" -an" + h264 + "mute.mp4")
	t.Run("is empty for a clip that is silent, and one without sound", func(t *testing.T) {
		for _, from := range []string{"silent.mp4", "mute.mp4"} {
			last, wav := 0, r.path("out.wav")
			transcript, truncated, err := r.Transcribe(t.Context(), r.path(from), wav, func(n int) { last = n })
			require.NoError(t, err)
			require.Empty(t, transcript)
			require.False(t, truncated)
			require.Equal(t, 100, last)
		}
	})
	t.Run("reports progress before the recognizer runs, and cuts a long transcript at a word", func(t *testing.T) {
		tools, reports := r.Tools, []int(nil)
		tools.Recognizer = recognizer(func(context.Context, string) (string, error) {
			require.Equal(t, []int{0, 9}, []int{reports[0], reports[len(reports)-1]}, "the sound is extracted")
			return strings.Repeat("  wörd\x00 \n\n", video.MaxTranscript), nil
		})
		from, wav := r.path("silent.mp4"), r.path("out.wav")
		transcript, truncated, err := tools.Transcribe(t.Context(), from, wav, func(n int) { reports = append(reports, n) })
		require.NoError(t, err)
		require.True(t, truncated)
		require.InDelta(t, video.MaxTranscript, len(transcript), 10)
		require.Equal(t, strings.TrimSuffix(strings.Repeat("wörd\n", len(transcript)/6+1), "\n"), transcript)
	})
}

func TestSphinx(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	sphinx := media.Sphinx{Program: r.Recognizer.(media.Sphinx).Program, Model: r.folder}
	_, err := sphinx.Recognize(t.Context(), r.file("empty.wav", ""))
	require.ErrorContains(t, err, "does not contain acoustic model")
	requireMachine(t, err)
}

type recognizer func(context.Context, string) (string, error)

func (f recognizer) Recognize(ctx context.Context, wav string) (string, error) { return f(ctx, wav) }

func TestTranscode(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	cases := []struct{ from, source, options, size string }{
		{"odd.mkv", "-map 0:v", "-pix_fmt yuv444p" + h264, "320x240"},
		{"tiny.mkv", "-map 1:v", "-pix_fmt yuv444p -live 1" + h264, "16x2"}, // without a duration in the header
		{"large.mp4", "-map 2:v", "-movflags frag_keyframe+empty_moov" + h264, "1280x54"},
		{"stretched.ts", "-map 3:v", "-vf setsar=2/1" + h264, "128x48"},
		{"packets192.m2ts", "-map 3:v", "-mpegts_m2ts_mode 1" + h264, "64x48"},
		{"mpeg4.avi", "-map 3:v", "-c:v mpeg4 -c:a mp3", "64x48"},
		{"mpeg2.mpg", "-map 3:v", "-r 25 -c:v mpeg2video -c:a mp2", "64x48"},
		{"theora.ogv", "-map 3:v", "-c:v libtheora -c:a libvorbis", "64x48"},
		{"rotated.mp4", "", "", "48x64"},
	}
	clips, made := "", []string(nil)
	for _, source := range []string{
		"testsrc2=size=321x241:rate=5", "testsrc2=size=17x3:rate=5", "testsrc2=size=1400x60:rate=5",
		"testsrc2=size=64x48:rate=10", "anoisesrc",
	} {
		clips += " -f lavfi -t 2 -i " + source
	}
	for _, c := range cases {
		if c.source != "" {
			clips += " " + c.source + " -map 4:a " + c.options + " " + c.from
		}
		made = append(made, c.from+".out.mp4")
	}
	r.ffmpeg(clips + " -map 3:v -map 4:a" + h264 + "plain.mp4")
	r.ffmpeg("-i plain.mp4 -c copy -metadata:s:v rotate=90 rotated.mp4")
	for i, c := range cases {
		info, err := r.Probe(t.Context(), r.path(c.from))
		require.NoError(t, err, c.from)
		require.InDelta(t, 2, info.Duration.Seconds(), 0.5, c.from)
		require.NoError(t, r.Transcode(t.Context(), r.path(c.from), r.path(made[i]), info, func(int) {}), c.from)
	}
	for i, printed := range r.inspect(made) {
		require.Regexp(t, `Duration: 00:00:0(1\.[5-9]|2\.[0-5])`, printed, cases[i].from)
		require.Regexp(t, `Video: h264 .* yuv420p.* `+cases[i].size+` \[SAR 1:1 `, printed, cases[i].from)
		require.Contains(t, printed, "Audio: aac", cases[i].from)
		require.NotContains(t, printed, "rotation", cases[i].from)
	}
}

func TestUnusable(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.MaxDuration = 4 * time.Second
	const both = " -map 0:v -map 1:a -t 3"
	r.ffmpeg("-f lavfi -i testsrc2=size=64x48:rate=10:duration=9 -f lavfi -i anoisesrc=duration=3" +
		" -f lavfi -i color=size=5000x64:duration=0.04 -f lavfi -i color=size=4200x4200:duration=0.04" +
		" -map 2" + h264 + "wide.mp4 -map 3" + h264 + "huge.mp4" +
		both + h264 + "clip.mp4" + both + " -movflags +faststart" + h264 + "index.mp4" +
		both + h264 + "clip.mkv" + both + " -live 1" + h264 + "live.mkv" + both + h264 + "clip.avi" +
		" -map 0:v -t 5" + h264 + "long.mp4 -map 0:v -live 1" + h264 + "long.mkv" +
		" -map 0:v -frames:v 1 picture.png -map 1:a" + h264 + "sound.mp4" +
		both + " -frames:v 1 -c:v png -disposition:v attached_pic -f ipod cover.m4a")
	half := func(b []byte) []byte { return b[:len(b)/2] }
	flipped := func(b []byte) []byte {
		for i := len(b) / 3; i < len(b)/3+400; i++ {
			b[i] ^= 0x5a
		}
		return b
	}
	playlist := "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
	script := "ffconcat version 1.0\nfile /etc/passwd\n"
	probe := func(path string) error {
		_, err := r.Probe(t.Context(), path)
		return err
	}
	transcode := func(path string) error {
		info := media.Info{Duration: 3 * time.Second, Width: 64, Height: 48, HasAudio: true} // of an intact header
		return r.Transcode(t.Context(), path, r.path("out.mp4"), info, func(int) {})
	}
	for name, c := range map[string]struct {
		refuse func(path string) error
		path   string
		reason video.Reason
	}{
		"empty":              {probe, r.file("empty.mp4", ""), video.ReasonNotVideo},
		"text":               {probe, r.file("text.mp4", strings.Repeat("no video ", 100)), video.ReasonNotVideo},
		"playlist":           {probe, r.file("hls.mp4", playlist), video.ReasonNotVideo},
		"playlist in MP4":    {probe, r.file("hls2.mp4", "\x00\x00\x00\x08free"+playlist), video.ReasonBroken},
		"script":             {probe, r.file("concat.mp4", script), video.ReasonNotVideo},
		"picture":            {probe, r.path("picture.png"), video.ReasonNotVideo},
		"sound":              {probe, r.path("sound.mp4"), video.ReasonNotVideo},
		"sound with a cover": {probe, r.path("cover.m4a"), video.ReasonNotVideo},
		"too wide":           {probe, r.path("wide.mp4"), video.ReasonNotVideo},
		"too many pixels":    {probe, r.path("huge.mp4"), video.ReasonNotVideo},
		"too long":           {probe, r.path("long.mp4"), video.ReasonTooLong},
		"too long live":      {probe, r.path("long.mkv"), video.ReasonTooLong},
		"cut MP4":            {probe, r.changed("clip.mp4", "cut.mp4", half), video.ReasonBroken},
		"cut MP4 with index": {transcode, r.changed("index.mp4", "cut2.mp4", half), video.ReasonBroken},
		"cut MKV":            {transcode, r.changed("clip.mkv", "cut.mkv", half), video.ReasonBroken},
		"cut live MKV":       {probe, r.changed("live.mkv", "cut2.mkv", half), video.ReasonBroken},
		"cut AVI":            {transcode, r.changed("clip.avi", "cut.avi", half), video.ReasonBroken},
		"only the magic":     {probe, r.file("magic.mkv", "\x1a\x45\xdf\xa3"), video.ReasonBroken},
		"damaged":            {transcode, r.changed("clip.mp4", "damaged.mp4", flipped), video.ReasonBroken},
	} {
		t.Run(name, func(t *testing.T) {
			u := requireUnusable(t, c.refuse(c.path))
			require.Equal(t, c.reason, u.Reason, u.Detail)
			t.Log(u.Detail)
			require.NotContains(t, u.Detail, r.folder)
			require.NotContains(t, u.Detail, "0x5")
		})
	}
	t.Run("a false header", func(t *testing.T) {
		for claimed, reason := range map[time.Duration]video.Reason{
			time.Second: video.ReasonTooLong, 10 * time.Second: video.ReasonBroken,
		} {
			r.MaxDuration = claimed
			info := media.Info{Duration: claimed, Width: 64, Height: 48}
			err := r.Transcode(t.Context(), r.path("clip.mp4"), r.path("out.mp4"), info, func(int) {})
			require.Equal(t, reason, requireUnusable(t, err).Reason)
		}
	})
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := r.Describe(t.Context(), r.file("text.mp4", "not what Transcode made"))
	requireMachine(t, err)
}

func requireUnusable(t *testing.T, err error) *media.Unusable {
	t.Helper()
	var u *media.Unusable
	require.ErrorAs(t, err, &u)
	require.NotEmpty(t, u.Detail)
	require.LessOrEqual(t, len(u.Detail), video.MaxDetail)
	return u
}

// requireMachine requires an error that goes away with a retry.
func requireMachine(t *testing.T, err error) {
	t.Helper()
	var u *media.Unusable
	require.Error(t, err)
	require.NotErrorAs(t, err, &u)
}
