// Package match tells which entries pass the filters of a query, by the contract's own table: what
// each filter looks at is there, so that a filter added to the contract works here without a
// further line.
//
// It is for entries that are at hand already, such as those of a file. A [auditlogs.Log] has the
// service filter.
package match

import (
	"encoding/json"
	"iter"
	"slices"
	"strconv"
	"strings"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
)

// exclusion is how the name of a filter ends that leaves entries out.
const exclusion = ".not"

// paths are the fields that filters look at, and places says where each of them is in Fields.
var paths, places = func() (paths []string, places map[string]int) {
	places = map[string]int{}
	for _, operation := range auditlogsapi.Operations {
		for _, p := range operation.Parameters {
			if _, known := places[p.Field]; p.Field != "" && !known {
				places[p.Field] = len(paths)
				paths = append(paths, p.Field)
			}
		}
	}
	return paths, places
}()

// Fields are the texts of those fields of an entry that filters look at.
type Fields []string

// Read returns the fields of an entry.
func Read(e *auditlogs.Entry) Fields {
	fields := make(Fields, len(paths))
	for i, path := range paths {
		var at any = &e.Entry
		for name := range strings.SplitSeq(path, ".") {
			_, at = auditlogsapi.Member(at, []byte(name))
		}
		fields[i] = text(at)
	}
	return fields
}

// Get returns the text of the field at a path, such as "actor.email"; "" for one that is not there,
// and for one that no filter looks at.
func (f Fields) Get(path string) string {
	if i, known := places[path]; known {
		return f[i]
	}
	return ""
}

// text returns a field in the form in which filters compare it: the content of a string, the text
// of a number. Objects, arrays, null and what is absent have none.
func text(field any) string {
	switch v := field.(type) {
	case *string:
		return *v
	case *int:
		if *v != 0 {
			return strconv.Itoa(*v)
		}
	case *json.RawMessage:
		var text string
		if json.Unmarshal(*v, &text) == nil {
			return text
		}
	}
	return ""
}

// A Matcher holds the filters of a query. A nil Matcher has none.
type Matcher struct {
	filters []filter
}

// A filter is one filter of a query, or several that join.
type filter struct {
	place   int // of the field that it looks at
	exclude bool
	values  []string
}

// New returns a matcher for the filters of an operation, whose values the function given returns by
// name: the method Values of a query. A filter such as product_category names sets of values:
// members returns those of one filter.
func New(operation *auditlogsapi.Operation, given func(name string) []string, members func(p auditlogsapi.Parameter, sets []string) ([]string, error)) (*Matcher, error) {
	m := new(Matcher)
	indexes := map[string]int{}
	for _, p := range operation.Parameters {
		name, values := p.Name, given(p.Name)
		if p.Field == "" || len(values) == 0 {
			continue
		}
		if p.Joins != "" {
			var err error
			if values, err = members(p, values); err != nil {
				return nil, err
			}
			name = p.Joins
		}
		i, known := indexes[name]
		if !known {
			i = len(m.filters)
			indexes[name] = i
			m.filters = append(m.filters, filter{place: places[p.Field], exclude: strings.HasSuffix(p.Name, exclusion)})
		}
		m.filters[i].values = append(slices.Clip(m.filters[i].values), values...)
	}
	return m, nil
}

// SameResource returns a matcher that keeps the entries about the same resource as one, and how
// well it identifies that; no matcher for [auditlogs.HistoryUnavailable]. The service documents a
// resource's URI as the criterion, but no field that holds it: this uses the resource's ID, and
// without one its product and type.
func SameResource(one Fields) (*Matcher, auditlogs.HistoryStatus) {
	for _, by := range []struct {
		status auditlogs.HistoryStatus
		paths  []string
	}{
		{auditlogs.HistoryExact, []string{"resource.id"}},
		{auditlogs.HistoryApproximate, []string{"resource.product", "resource.type"}},
	} {
		m := new(Matcher)
		for _, path := range by.paths {
			if text := one.Get(path); text != "" {
				m.filters = append(m.filters, filter{place: places[path], values: []string{text}})
			}
		}
		if len(m.filters) == len(by.paths) {
			return m, by.status
		}
	}
	return nil, auditlogs.HistoryUnavailable
}

// Wanted yields fields, by their path, with the values of which an entry that passes has one there.
func (m *Matcher) Wanted() iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		if m == nil {
			return
		}
		for _, f := range m.filters {
			if !f.exclude && !yield(paths[f.place], f.values) {
				return
			}
		}
	}
}

// All reports whether every entry passes.
func (m *Matcher) All() bool { return m == nil || len(m.filters) == 0 }

// Keeps reports whether an entry passes. A field that is not there equals no value, and therefore
// is never excluded.
func (m *Matcher) Keeps(fields Fields) bool {
	if m.All() {
		return true
	}
	for _, f := range m.filters {
		found := fields[f.place]
		if (found != "" && slices.Contains(f.values, found)) == f.exclude {
			return false
		}
	}
	return true
}
