package lexer

import "testing"

func TestText(t *testing.T) {
	for _, test := range []struct {
		name, data string
		plain, ok  bool
		rest       string // what comes after the text
	}{
		{"letters", `"description":"x"`, true, true, `:"x"`},
		{"letters, and others after the text", `"description":"Übersicht"`, true, true, `:"Übersicht"`},
		{"nothing", `"",`, true, true, `,`},
		{"a letter beyond ASCII in the first eight bytes", `"Übersicht über alles"`, false, true, ``},
		{"a letter beyond ASCII in the last eight bytes", `"in the end, all is ü"`, false, true, ``},
		{"a letter beyond ASCII that is alone", `"ü"`, false, true, ``},
		{"an escape", `"a \"quoted\" word"}`, false, true, `}`},
		{"a number that is escaped", `"\u0061"`, false, true, ``},
		{"an escape that is none", `"\x"`, false, false, `x"`},
		{"a line break", "\"two\nlines of text\"", false, false, "\"two\nlines of text\""},
		{"an end without a quote", `"the quote is missing`, false, false, `"the quote is missing`},
		{"no text", `12`, false, false, `12`},
	} {
		l := &Lexer{Data: []byte(test.data)}
		plain, ok := l.Text()
		if rest := string(l.Data[l.At:]); plain != test.plain || ok != test.ok || rest != test.rest {
			t.Errorf("%s: plain %t, ok %t, then %q: want %t, %t, %q", test.name, plain, ok, rest, test.plain, test.ok, test.rest)
		}
	}
}
