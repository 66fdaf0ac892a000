package summary

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
)

// A field is the way to one field of an entry: the names on its path.
type field [][]byte

// Fields returns the paths that entries can be grouped by, such as "actor.email": those of all
// fields that the contract has.
func Fields() []string {
	var paths []string
	for _, operation := range []auditlogsapi.Operation{auditlogsapi.ListAccountAuditLogsOperation, auditlogsapi.ListOrganizationAuditLogsOperation} {
		for _, f := range operation.Fields {
			paths = append(paths, f.Path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

func fieldsAt(paths []string) ([]field, error) {
	known := Fields()
	fields := make([]field, len(paths))
	for i, path := range paths {
		if !slices.Contains(known, path) {
			return nil, fmt.Errorf("%q is no field of an entry: want one of %s", path, strings.Join(known, ", "))
		}
		for name := range strings.SplitSeq(path, ".") {
			fields[i] = append(fields[i], []byte(name))
		}
	}
	return fields, nil
}

// appendTo appends the text of the field: the content of a string, the digits of a number, a time
// in RFC 3339, and compact JSON of anything else. It appends nothing where the entry has no such
// field, or an empty one. A status code of 0 counts as none.
func (f field) appendTo(b []byte, e *auditlogs.Entry, in *time.Location) []byte {
	var at any = &e.Entry
	for _, name := range f {
		_, at = auditlogsapi.Member(at, name)
	}
	switch v := at.(type) {
	case *string:
		return append(b, *v...)
	case *int:
		if *v != 0 {
			return strconv.AppendInt(b, int64(*v), 10)
		}
	case *time.Time:
		if !v.IsZero() {
			return v.In(in).AppendFormat(b, time.RFC3339Nano)
		}
	case *json.RawMessage:
		return appendJSON(b, *v)
	}
	return b
}

func appendJSON(b []byte, value json.RawMessage) []byte {
	value = bytes.TrimSpace(value)
	switch {
	case len(value) == 0 || string(value) == "null":
		return b
	case value[0] == '"':
		if text := value[1 : len(value)-1]; bytes.IndexByte(text, '\\') < 0 && utf8.Valid(text) {
			return append(b, text...)
		}
		var text string
		_ = json.Unmarshal(value, &text) // It is a string.
		return append(b, text...)
	}
	buffer := bytes.NewBuffer(b)
	if json.Compact(buffer, value) != nil {
		return append(b, value...) // Deeper than encoding/json reads.
	}
	return buffer.Bytes()
}

// A value of more than longText bytes is kept by the first longStart of them, its length and its
// digest, so that it still differs from every other.
const (
	longText  = 256
	longStart = 160
)

// shortened shortens the text that b holds from a place on.
func shortened(b []byte, from int) []byte {
	text := b[from:]
	if len(text) <= longText {
		return b
	}
	sum := sha256.Sum256(text)
	n := longStart
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return fmt.Appendf(b[:from+n], "… (%d bytes, SHA-256 %x)", len(text), sum[:16])
}
