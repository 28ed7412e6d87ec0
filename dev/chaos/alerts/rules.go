package main

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	durations  = regexp.MustCompile(`(\bfor: |\[|\boffset )(\d+)([smhd])\b`)
	thresholds = regexp.MustCompile(`(_seconds(?:_bucket)?(?:\{[^}]*\})?(?:\[[^\]]*\])?\)* [<>] )(\d+)`)
	ages       = regexp.MustCompile(`older_than="[^"]*"`)
)

// faster returns rules whose durations are divided by a factor: how long an alert has to
// hold (for), the ranges and offsets of their expressions, and the numbers that a metric in seconds is
// compared with. Nothing becomes shorter than two seconds. Orders count as old at once,
// because their ages are labels.
func faster(rules string, factor int) string {
	rules = durations.ReplaceAllStringFunc(rules, func(found string) string {
		part := durations.FindStringSubmatch(found)
		return part[1] + divided(part[2], unit(part[3]), factor) + "s"
	})
	rules = ages.ReplaceAllString(rules, `older_than="0s"`)
	return thresholds.ReplaceAllStringFunc(rules, func(found string) string {
		part := thresholds.FindStringSubmatch(found)
		return part[1] + divided(part[2], 1, factor)
	})
}

func unit(name string) int {
	return map[string]int{"s": 1, "m": 60, "h": 3600, "d": 86400}[strings.ToLower(name)]
}

func divided(number string, unit, factor int) string {
	n, _ := strconv.Atoi(number) // the expression has found digits
	return strconv.Itoa(max(2, n*unit/factor))
}
