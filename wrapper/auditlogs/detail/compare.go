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
	before, after := bodies(earlier), bodies(e)
	var paths []string
	for _, body := range slices.Concat(before, after) {
		paths = append(paths, body.Path)
	}
	slices.Sort(paths)
	var changes []Change
	for _, path := range slices.Compact(paths) {
		changes = compare(changes, path, valueAt(before, path), valueAt(after, path))
	}
	return changes
}

func bodies(e *auditlogs.Entry) []Body {
	return slices.DeleteFunc(read(nil, "", e.Raw), func(leaf Body) bool { return !isBody(leaf) })
}

// absent stands for a value that is not there, which differs from null.
type absent struct{}

func valueAt(bodies []Body, path string) any {
	value := any(absent{})
	for _, body := range bodies {
		if body.Path == path {
			d := json.NewDecoder(bytes.NewReader(body.Raw))
			d.UseNumber()
			if d.Decode(&value) != nil {
				value = string(body.Raw) // It is nested more deeply than the decoder takes.
			}
		}
	}
	return value
}

func compare(changes []Change, path string, before, after any) []Change {
	switch b := before.(type) {
	case map[string]any:
		a, ok := after.(map[string]any)
		if !ok {
			break
		}
		names := slices.AppendSeq(slices.Collect(maps.Keys(b)), maps.Keys(a))
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			changes = compare(changes, path+member(name), memberOf(b, name), memberOf(a, name))
		}
		return changes
	case []any:
		a, ok := after.([]any)
		if !ok {
			break
		}
		for i := range max(len(a), len(b)) {
			changes = compare(changes, path+"["+strconv.Itoa(i)+"]", elementOf(b, i), elementOf(a, i))
		}
		return changes
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
