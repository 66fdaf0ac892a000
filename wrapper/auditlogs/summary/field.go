package summary

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
)

// A field appends the text of one field of an entry, and nothing where the entry has no such field,
// or an empty one.
type field func(b []byte, e *auditlogs.Entry, in *time.Location) []byte

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

// checkPaths refuses paths that are none of a field.
func checkPaths(paths []string) error {
	if len(paths) == 0 {
		return errors.New("want one field or more")
	}
	known := Fields()
	for _, path := range paths {
		if !slices.Contains(known, path) {
			return fmt.Errorf("%q is no field of an entry: want one of %s", path, strings.Join(known, ", "))
		}
	}
	return nil
}

// fieldAt returns the field at a path, as the content of a string, the digits of a number, a time
// in RFC 3339, and compact JSON of anything else. A status code of 0 counts as none.
func fieldAt(path string) field {
	names := bytes.Split([]byte(path), []byte("."))
	return func(b []byte, e *auditlogs.Entry, in *time.Location) []byte {
		var at any = &e.Entry
		for _, name := range names {
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
}

// network appends the network of the actor's address: a /24 of IPv4, a /64 of IPv6.
func network(b []byte, e *auditlogs.Entry, _ *time.Location) []byte {
	address, err := netip.ParseAddr(e.Actor.IPAddress)
	if err != nil {
		return b
	}
	address = address.Unmap().WithZone("")
	bits := 64
	if address.Is4() {
		bits = 24
	}
	of, _ := address.Prefix(bits) // It has these bits.
	return of.AppendTo(b)
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
