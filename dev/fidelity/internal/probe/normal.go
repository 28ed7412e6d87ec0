package probe

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Patterns of values that differ between runs. The package comment lists their
// replacements.
var (
	markedPosition = regexp.MustCompile(`@@(\d+)@@`)
	uuidPattern    = regexp.MustCompile(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`)
	timePattern    = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(Z|[+-]\d\d:\d\d)?`)
	addressPattern = regexp.MustCompile(`(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\]|localhost):\d+`)

	messageSize   = regexp.MustCompile(`\(\d+ vs\. `) // of a message: UUIDs are of varying length in it
	linkPosition  = regexp.MustCompile(`("\$[cp]":\s*)(\d+)`)
	linkVersion   = regexp.MustCompile(`("\$v":\s*)"[^"]*"`)
	placePosition = regexp.MustCompile(`C:(\d+)/P:(\d+)`)
)

// normalize replaces values that differ between runs in a finished line.
func (p *P) normalize(line []byte) []byte {
	text := strings.ReplaceAll(string(line), p.prefix, "~")
	text = strings.ReplaceAll(text, p.run, "<run>")
	text = timePattern.ReplaceAllString(text, "<time $1>")
	text = addressPattern.ReplaceAllString(text, "<addr>")
	unknown := map[string]string{}
	text = uuidPattern.ReplaceAllStringFunc(text, func(id string) string {
		id = strings.ToLower(id)
		if label, ok := p.ids[id]; ok {
			return "#" + label
		}
		if _, ok := unknown[id]; !ok {
			unknown[id] = fmt.Sprintf("#?%d", len(unknown)+1)
		}
		return unknown[id]
	})
	return []byte(rankPositions(text))
}

// rankPositions replaces marked positions with their rank among those of the line.
func rankPositions(text string) string {
	var found []uint64
	for _, match := range markedPosition.FindAllStringSubmatch(text, -1) {
		if n, err := strconv.ParseUint(match[1], 10, 64); err == nil {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	return markedPosition.ReplaceAllStringFunc(text, func(marked string) string {
		n, err := strconv.ParseUint(strings.Trim(marked, "@"), 10, 64)
		if err != nil {
			return marked
		}
		rank, _ := slices.BinarySearch(found, n)
		return fmt.Sprintf("P%d", rank+1)
	})
}

// position marks a position in the log for ranking.
func position(commit, prepare uint64) string {
	if commit == prepare {
		return mark(commit)
	}
	return "C:" + mark(commit) + "/P:" + mark(prepare)
}

func mark(n uint64) string {
	switch n {
	case 0:
		return "0"
	case 1<<64 - 1:
		return "max"
	case 1<<63 - 1:
		return "maxint64"
	}
	return fmt.Sprintf("@@%d@@", n)
}

// show returns bytes as readable text, or as a digest if they are long. Positions and
// versions inside are marked or replaced.
func (p *P) show(data []byte) string {
	text := strings.ReplaceAll(string(data), p.prefix, "~")
	if !utf8.ValidString(text) {
		return "hex:" + clip(hex.EncodeToString(data))
	}
	text = timePattern.ReplaceAllString(text, "<time $1>")
	text = messageSize.ReplaceAllString(text, "(<n> vs. ")
	text = linkVersion.ReplaceAllString(text, `$1"<v>"`)
	text = linkPosition.ReplaceAllString(text, "$1@@$2@@")
	return clip(p.places(text))
}

// places marks the positions of a text such as C:12/P:12.
func (p *P) places(text string) string {
	return placePosition.ReplaceAllStringFunc(text, func(place string) string {
		parts := placePosition.FindStringSubmatch(place)
		commit, _ := strconv.ParseUint(parts[1], 10, 64)
		prepare, _ := strconv.ParseUint(parts[2], 10, 64)
		return "C:" + mark(commit) + "/P:" + mark(prepare)
	})
}

// clip replaces a long text with its beginning and a digest.
func clip(text string) string {
	if len(text) <= 500 {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("%s... (%d bytes, sha256 %s)", text[:24], len(text), hex.EncodeToString(sum[:4]))
}
