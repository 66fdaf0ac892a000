package export

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"cfaudit.example/wrapper/auditlogs/format"
)

// A naming is what a file's name says about its content.
type naming struct {
	format      string
	compression string // "", "gzip" or "zstd"
}

const (
	gzipName = "gzip"
	zstdName = "zstd"
)

// compressions are the compressions, by the end of the file's name.
var compressions = map[string]string{".gz": gzipName, ".zst": zstdName}

// otherCompressions are the extensions of compressions that are not supported.
var otherCompressions = []string{".7z", ".br", ".bz2", ".gzip", ".lz4", ".tgz", ".xz", ".z", ".zip", ".zstd"}

// extension matches the extension of a file type. Other text after a dot is a part of the name: a
// date, an account's ID.
var extension = regexp.MustCompile(`^\.[a-z][a-z0-9]{0,9}$`)

// readName takes the format from the file's name, unless the caller gives one.
func readName(path, chosen string) (naming, error) {
	_, base := filepath.Split(path)
	if base == "" {
		return naming{}, errors.New("the path names no file: want one such as audit.ndjson.gz")
	}
	name := strings.ToLower(base)
	compression := compressions[filepath.Ext(name)]
	if compression != "" {
		name = strings.TrimSuffix(name, filepath.Ext(name))
	}
	named, _ := format.OfFile(name)
	end := filepath.Ext(name)
	example := base[:len(name)-len(end)]
	switch {
	case slices.Contains(otherCompressions, end):
		return naming{}, fmt.Errorf("the name %s says %s, which is not written: want .gz or .zst to compress, such as %s.gz",
			base, end[1:], example)
	case chosen == "" && named == "" && end != name && extension.MatchString(end):
		return naming{}, fmt.Errorf("the name %s says %s, which is not written: want .ndjson or .csv, such as %s.ndjson, or the format %s to keep the name",
			base, end[1:], example, format.NameNDJSON)
	case chosen != "" && named != "" && named != chosen:
		return naming{}, fmt.Errorf("the name %s says %s, and the format is %s: want both the same", base, named, chosen)
	}
	return naming{cmp.Or(chosen, named, format.NameNDJSON), compression}, nil
}
