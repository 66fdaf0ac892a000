package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// A screen is a terminal. Text that is written to it can only be displayed, and cannot control it.
type screen struct{ terminal io.Writer }

func (s screen) Write(text []byte) (int, error) {
	if _, err := s.terminal.Write(harmless(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}

// unwrap returns the terminal that a screen writes to, and any other writer unchanged.
func unwrap(w io.Writer) io.Writer {
	if s, ok := w.(screen); ok {
		return s.terminal
	}
	return w
}

// The styles of text on a terminal.
const (
	styleBold   = "\x1b[1m"
	styleDim    = "\x1b[2m"
	styleRed    = "\x1b[31m"
	styleGreen  = "\x1b[32m"
	styleYellow = "\x1b[33m"
	styleCyan   = "\x1b[36m"
	styleReset  = "\x1b[0m"
)

var styles = []string{styleBold, styleDim, styleRed, styleGreen, styleYellow, styleCyan, styleReset}

// harmless returns text with \uXXXX in place of what a terminal may take for a command: control
// characters other than line breaks and tabs, characters that change the direction of text, and
// bytes that are not UTF-8, which become \ufffd. A line of JSON stays one, of the same value
// wherever it was UTF-8. The styles of this program stay.
func harmless(text []byte) []byte {
	var safe []byte // empty as long as nothing has been replaced
	done := 0       // how much of text is in safe
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == '\x1b' && styleAt(text[i:]) > 0:
			size = styleAt(text[i:])
		case r == utf8.RuneError && size == 1, commands(r):
			safe = fmt.Appendf(append(safe, text[done:i]...), `\u%04x`, r)
			done = i + size
		}
		i += size
	}
	if done == 0 {
		return text
	}
	return append(safe, text[done:]...)
}

// styleAt returns the length of the style that text starts with; 0 if it starts with none.
func styleAt(text []byte) int {
	for _, style := range styles {
		if bytes.HasPrefix(text, []byte(style)) {
			return len(style)
		}
	}
	return 0
}

// commands reports whether a character controls a terminal, or changes the text around it.
func commands(r rune) bool {
	switch {
	case r == '\n', r == '\t':
		return false
	case r < ' ', r >= 0x7f && r <= 0x9f:
		return true
	}
	return unicode.Is(unicode.Bidi_Control, r)
}

// clean makes text from an entry safe to print on a terminal: line breaks and other space become a
// plain space, and what cannot be seen becomes U+FFFD. That includes control characters, without
// which no escape sequence works, and invisible characters that change the direction of the text
// around them.
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

// atMost returns text cut where it takes more than width columns.
func atMost(text string, width int) string {
	if _, n := measure(text, width); n < len(text) {
		return strings.TrimRight(fit(text, width), " ")
	}
	return text
}

// measure returns how many bytes of text fit into width columns, and how many columns they occupy.
func measure(text string, width int) (used, n int) {
	marks := 0
	for i, r := range text {
		w := runewidth.RuneWidth(r)
		if used+w > width {
			return used, i
		}
		if w == 0 {
			// Combining marks occupy no column, and so need a bound of their own.
			if marks++; marks > 2*width {
				return used, i
			}
		}
		used += w
	}
	return used, len(text)
}

// wrap breaks text into lines of at most width columns where words allow it.
func wrap(text string, width int) (lines []string) {
	for _, word := range strings.Fields(text) {
		last := len(lines) - 1
		if last >= 0 && runewidth.StringWidth(lines[last])+1+runewidth.StringWidth(word) <= width {
			lines[last] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}
