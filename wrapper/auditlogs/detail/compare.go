package detail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cfaudit.example/wrapper/auditlogs"
)

// A Change is a difference between two JSON values.
type Change struct {
	Path   string          `json:"path"`             // such as "resource.request.rules[2].action"
	Before json.RawMessage `json:"before,omitempty"` // nil for what was added
	After  json.RawMessage `json:"after,omitempty"`  // nil for what was removed
}

// Compare returns how the bodies of an entry, such as its request and its response, differ from
// those of an earlier one: by path, lists element by element at the same index. The order of
// members and how a string is escaped do not count, and numbers are equal if their digits are.
func Compare(earlier, e *auditlogs.Entry) []Change {
	return compareMembers(nil, bodies(earlier), bodies(e), func(path string) string { return path })
}

// bodies returns the decoded bodies of an entry by their paths.
func bodies(e *auditlogs.Entry) map[string]any {
	values := map[string]any{}
	for _, leaf := range read(nil, "", e.Raw) {
		if !isBody(leaf) {
			continue
		}
		var value any
		d := json.NewDecoder(bytes.NewReader(leaf.Raw))
		d.UseNumber()
		if d.Decode(&value) != nil {
			value = string(leaf.Raw) // It is nested more deeply than the decoder takes.
		}
		values[leaf.Path] = value
	}
	return values
}

// absent stands for a value that is not there, which differs from null.
type absent struct{}

// compareMembers compares the members of two objects, whose paths are made of their names.
func compareMembers(changes []Change, before, after map[string]any, pathOf func(name string) string) []Change {
	names := slices.AppendSeq(slices.Collect(maps.Keys(before)), maps.Keys(after))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		changes = compare(changes, pathOf(name), memberOf(before, name), memberOf(after, name))
	}
	return changes
}

func compare(changes []Change, path string, before, after any) []Change {
	switch b := before.(type) {
	case map[string]any:
		if a, ok := after.(map[string]any); ok {
			return compareMembers(changes, b, a, func(name string) string { return path + member(name) })
		}
	case []any:
		if a, ok := after.([]any); ok {
			for i := range max(len(a), len(b)) {
				changes = compare(changes, path+"["+strconv.Itoa(i)+"]", elementOf(b, i), elementOf(a, i))
			}
			return changes
		}
	default:
		if before == after {
			return changes
		}
	}
	return append(changes, Change{Path: path, Before: encode(before), After: encode(after)})
}

func memberOf(object map[string]any, name string) any {
	if value, there := object[name]; there {
		return value
	}
	return absent{}
}

func elementOf(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return absent{}
}

// member is the part of a path that names a member of an object.
func member(name string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '$'
	}
	if name != "" && !strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return "." + name
	}
	return fmt.Sprintf("[%s]", quote(name))
}

// encode returns a value as JSON, nil for one that is absent.
func encode(value any) json.RawMessage {
	if value == (any)(absent{}) {
		return nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(value) // It was decoded from JSON.
	return bytes.TrimSpace(b.Bytes())
}
