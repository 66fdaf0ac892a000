package contract

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cfaudit.example/wrapper/auditlogs/format"
)

// readme reads the README of a room, named by its path from the root.
func readme(t *testing.T, room string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(room), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestReadmeColumns compares the list of columns with those that there are.
func TestReadmeColumns(t *testing.T) {
	list := regexp.MustCompile(`(?s)new ones are added after the last:(.*?)\.\n\n`).FindStringSubmatch(readme(t, "wrapper/auditlogs/export"))
	if list == nil {
		t.Fatal("the README shows no columns")
	}
	var columns []string
	for _, column := range regexp.MustCompile("`([a-z_.]+)`").FindAllStringSubmatch(list[1], -1) {
		columns = append(columns, column[1])
	}
	if !slices.Equal(columns, format.Columns()) {
		t.Errorf("the README shows %v, and there are %v", columns, format.Columns())
	}
}

// TestReadmeIsShort keeps the front door a front door.
func TestReadmeIsShort(t *testing.T) {
	if lines := strings.Count(readme(t, "."), "\n"); lines > 200 {
		t.Errorf("the root README has %d lines: want at most 200, and the rest in the READMEs of the rooms", lines)
	}
}

// markdown returns the names of all *.md files, by their paths from the root.
func markdown(t *testing.T) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(".."), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules" || entry.Name() == "testdata"):
			return fs.SkipDir
		case !entry.IsDir() && path.Ext(name) == ".md":
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

var (
	codeBlock = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	codeSpan  = regexp.MustCompile("`[^`\n]*`")
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#+ (.*)$`)
	unlinked  = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// anchors returns what a link into a text can name after "#", made of its headings as GitHub does.
func anchors(text string) (names []string) {
	for _, match := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		names = append(names, strings.ReplaceAll(unlinked.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-"))
	}
	return names
}

// TestReadmeLinks follows all relative links of all *.md files, to files, folders and headings.
func TestReadmeLinks(t *testing.T) {
	links := 0
	for _, name := range markdown(t) {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		prose := codeSpan.ReplaceAllString(codeBlock.ReplaceAllString(string(text), ""), "")
		for _, match := range link.FindAllStringSubmatch(prose, -1) {
			file, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(file, ":") {
				continue // Elsewhere.
			}
			links++
			target := name
			if file != "" {
				target = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join("..", target)); err != nil {
				t.Errorf("%s links to %s: %v", name, match[1], err)
				continue
			}
			if anchor == "" {
				continue
			}
			if text, err := os.ReadFile(filepath.Join("..", target)); err != nil || !slices.Contains(anchors(string(text)), anchor) {
				t.Errorf("%s links to %s: there is no such heading (%v)", name, match[1], err)
			}
		}
	}
	if links == 0 {
		t.Error("there are no links: want the rooms linked from the root README")
	}
}
