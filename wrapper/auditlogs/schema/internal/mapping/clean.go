package mapping

import (
	"bytes"
	"encoding/hex"
	"unicode/utf8"
)

// replacement is what stands for what is no text.
const replacement = "\uFFFD"

// clean returns JSON that is valid UTF-8 on one line, of which every string is text. It returns the
// same bytes where they are like that already.
func clean(raw []byte) []byte {
	if bytes.IndexByte(raw, '\n') >= 0 || bytes.IndexByte(raw, '\r') >= 0 {
		// In JSON a line break is space, wherever it stands. In what is not JSON it is text,
		// which is kept elsewhere.
		raw = bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte{'\n'}, []byte{' '}), []byte{'\r'}, []byte{' '})
	}
	if bytes.Contains(raw, []byte(`\ud`)) || bytes.Contains(raw, []byte(`\uD`)) {
		raw = wholeSurrogates(raw)
	}
	return raw
}

// validUTF8 replaces each byte that is not UTF-8, as the decoder does.
func validUTF8(text []byte) []byte {
	if utf8.Valid(text) {
		return text
	}
	return bytes.Map(func(r rune) rune { return r }, text)
}

// wholeSurrogates replaces the escapes that are halves of a character.
func wholeSurrogates(raw []byte) []byte {
	var out []byte
	copied := 0
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		unit, ok := surrogate(raw[i:])
		next, pair := uint16(0), false
		if ok && unit < 0xDC00 {
			next, pair = surrogate(raw[min(i+6, len(raw)):])
		}
		switch {
		case !ok:
			i++ // What is escaped.
		case pair && next >= 0xDC00:
			i += 11
		default:
			out = append(append(out, raw[copied:i]...), replacement...)
			copied = i + 6
			i += 5
		}
	}
	return append(out, raw[copied:]...)
}

// surrogate reads an escape that stands for a half of a character.
func surrogate(text []byte) (unit uint16, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	var b [2]byte
	if _, err := hex.Decode(b[:], text[2:6]); err != nil {
		return 0, false
	}
	unit = uint16(b[0])<<8 | uint16(b[1])
	return unit, 0xD800 <= unit && unit < 0xE000
}
