package contract

import (
	"go/scanner"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// lastColumn is the last column of a comment line. A tab takes four.
const lastColumn = 100

// TestCommentLines finds comment lines that pass the last column. Exempt are generated code,
// comments after code, directives, and the output of an example, which has to be as it is printed.
func TestCommentLines(t *testing.T) {
	output := regexp.MustCompile(`(?i)^//\s*(unordered )?output:`)
	for _, name := range tracked(t, "*.go") {
		if strings.HasPrefix(name, "gen/") || strings.HasPrefix(filepath.Base(name), "generated_") {
			continue
		}
		inOutput := 0 // the last line of an output so far
		for _, c := range tokens(t, name, token.COMMENT) {
			if output.MatchString(c.text) || inOutput == c.line-1 && inOutput > 0 {
				inOutput = c.line
				continue
			}
			if strings.TrimSpace(c.indent) != "" || strings.HasPrefix(c.text, "//go:") {
				continue
			}
			for i, line := range strings.Split(c.indent+c.text, "\n") {
				if n := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    ")); n > lastColumn {
					t.Errorf("%s:%d: the comment ends at column %d: want at most %d", name, c.line+i, n, lastColumn)
				}
			}
		}
	}
}

// TestBehind finds "behind" where "after" is meant: in the comments and texts of production code,
// in the contract and in the READMEs.
func TestBehind(t *testing.T) {
	behind := regexp.MustCompile(`(?i)\bbehind\b`)
	check := func(name string, number int, line string) {
		if behind.MatchString(line) {
			t.Errorf("%s:%d: %s: want \"after\"", name, number, strings.TrimSpace(line))
		}
	}
	for _, name := range tracked(t, "*.go", "*.yaml", "*.md") {
		switch {
		case strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "contract_test/") && !strings.HasSuffix(name, ".md"):
		case strings.HasSuffix(name, ".go"):
			for _, c := range tokens(t, name, token.COMMENT, token.STRING) {
				for i, line := range strings.Split(c.text, "\n") {
					check(name, c.line+i, line)
				}
			}
		default:
			for i, line := range strings.Split(string(source(t, name)), "\n") {
				check(name, i+1, line)
			}
		}
	}
}

// root is the folder of the repository.
const root = ".."

// tracked returns the names of the repository's files that match one of the patterns.
func tracked(t *testing.T, patterns ...string) []string {
	t.Helper()
	git := exec.CommandContext(t.Context(), "git", append([]string{"ls-files", "-z", "--"}, patterns...)...)
	git.Dir = root
	text, err := git.Output()
	if err != nil {
		t.Skipf("the files of the repository are not known: %v", err)
	}
	var names []string
	for name := range strings.SplitSeq(strings.TrimSuffix(string(text), "\x00"), "\x00") {
		if _, err := os.Stat(filepath.Join(root, name)); err == nil {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		t.Fatalf("no file matches %q", patterns)
	}
	return names
}

func source(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A piece is a token of a Go file.
type piece struct {
	line   int
	indent string // what is before it on its line
	text   string
}

// tokens returns the tokens of the given kinds.
func tokens(t *testing.T, name string, kinds ...token.Token) []piece {
	t.Helper()
	text := source(t, name)
	file := token.NewFileSet().AddFile(name, -1, len(text))
	var s scanner.Scanner
	s.Init(file, text, func(at token.Position, message string) { t.Errorf("%s: %s", at, message) }, scanner.ScanComments)
	var pieces []piece
	for {
		pos, kind, literal := s.Scan()
		if kind == token.EOF {
			return pieces
		}
		for _, wanted := range kinds {
			if kind == wanted {
				at, line := file.Offset(pos), file.Line(pos)
				pieces = append(pieces, piece{line: line, indent: string(text[file.Offset(file.LineStart(line)):at]), text: literal})
			}
		}
	}
}
