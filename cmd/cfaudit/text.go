package main

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// clean makes text from an entry safe to print on a terminal: line breaks and other space become a plain space, and what
// cannot be seen becomes U+FFFD. That takes in control characters, without which no escape sequence works, and the
// invisible ones that change the direction of the text around them.
func clean(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return text
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case r == '\t' || r == '\n' || r == '\r' || unicode.Is(unicode.Zs, r):
			return ' '
		}
		return utf8.RuneError
	}, text)
}

// fit returns text cut or filled up to exactly width columns of a terminal.
func fit(text string, width int) string {
	const cut = "…"
	if used, n := measure(text, width); n == len(text) {
		return text + strings.Repeat(" ", width-used)
	}
	room := width - runewidth.StringWidth(cut)
	if room < 0 {
		return strings.Repeat(" ", width)
	}
	used, n := measure(text, room)
	return text[:n] + cut + strings.Repeat(" ", room-used)
}

// measure returns how many bytes of text fit into width columns, and how many columns these take.
func measure(text string, width int) (used, n int) {
	marks := 0
	for i, r := range text {
		w := runewidth.RuneWidth(r)
		if used+w > width {
			return used, i
		}
		if w == 0 {
			// Marks take no column, so that only a bound of their own keeps a heap of them out.
			if marks++; marks > 2*width {
				return used, i
			}
		}
		used += w
	}
	return used, len(text)
}

// wrap breaks text into lines of at most width columns where words allow it.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case runewidth.StringWidth(line)+1+runewidth.StringWidth(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
