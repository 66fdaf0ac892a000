package auditlogstest

import (
	"encoding/json"
	"slices"
	"strings"

	"cfaudit.example/gen/auditlogsapi"
)

// exclusion is the suffix in the name of a filter that leaves entries out.
const exclusion = ".not"

// filterFields reads the fields that the contract's filters look at; filterIndexes says where each
// of them is in the result. Both come from the contract's table, so that a new filter works here
// without a further line.
var filterFields, filterIndexes = newFilterFields()

// timeField reads the field that orders the entries.
var timeField = newFieldReader("action.time")

// organizationField reads the field that only the entries of organizations have.
var organizationField = newFieldReader("organization.id")

func newFilterFields() (*fieldReader, map[string]int) {
	var paths []string
	indexes := map[string]int{}
	for _, operation := range auditlogsapi.Operations {
		for _, p := range operation.Parameters {
			if _, known := indexes[p.Field]; p.Field != "" && !known {
				indexes[p.Field] = len(paths)
				paths = append(paths, p.Field)
			}
		}
	}
	return newFieldReader(paths...), indexes
}

// A filter is one filter parameter of a request, or several that join.
type filter struct {
	index   int // of the field that it looks at
	exclude bool
	values  []string
}

// newFilters collects the filters of a request.
func (s *Server) newFilters(operation *auditlogsapi.Operation, params parameters) ([]filter, error) {
	var filters []filter
	indexes := map[string]int{}
	for _, p := range operation.Parameters {
		given := params.Filter(p.Name)
		if given == nil || len(*given) == 0 {
			continue
		}
		name, values := p.Name, *given
		if p.Joins != "" {
			var err error
			if values, err = s.productsOf(p, values); err != nil {
				return nil, err
			}
			name = p.Joins
		}
		i, known := indexes[name]
		if !known {
			i = len(filters)
			indexes[name] = i
			filters = append(filters, filter{index: filterIndexes[p.Field], exclude: strings.HasSuffix(p.Name, exclusion)})
		}
		filters[i].values = append(filters[i].values, values...)
	}
	return filters, nil
}

// keeps reports whether an entry passes. A missing field equals no value, and therefore is never
// excluded.
func (f *filter) keeps(e *entry) bool {
	found := e.field(f.index)
	return (found.ok && slices.Contains(f.values, found.text)) != f.exclude
}

// A field is a field of an entry in the form in which filters compare it: the content of a string,
// the text of a number or a boolean. Objects, arrays, null and what is absent are not ok.
type field struct {
	text string
	ok   bool
}

// A fieldReader reads fields with given paths from an entry's text, in one pass.
type fieldReader struct {
	count int
	root  pathNode
}

type pathNode struct {
	index    int // of the field that ends here; -1 for none
	children map[string]*pathNode
}

func newFieldReader(paths ...string) *fieldReader {
	r := &fieldReader{count: len(paths), root: pathNode{index: -1}}
	for i, path := range paths {
		node := &r.root
		for name := range strings.SplitSeq(path, ".") {
			if node.children == nil {
				node.children = map[string]*pathNode{}
			}
			if node.children[name] == nil {
				node.children[name] = &pathNode{index: -1}
			}
			node = node.children[name]
		}
		node.index = i
	}
	return r
}

// read reads the fields from a text that is known to be a valid JSON object.
func (r *fieldReader) read(text string) []field {
	fields := make([]field, r.count)
	readObject(text, &r.root, fields)
	return fields
}

// readObject takes a text that starts with an object. Validity is known, so that scanning needs no
// checks; this is much faster than decoding, and keeps a filter over many entries quick.
func readObject(text string, node *pathNode, fields []field) {
	i := skipSpace(text, 1)
	for text[i] == '"' {
		end := skipString(text, i)
		child := node.children[unquote(text[i:end])]
		i = skipSpace(text, skipSpace(text, end)+1)
		end = skipValue(text, i)
		if child != nil {
			value := text[i:end]
			if child.index >= 0 {
				fields[child.index] = newField(value)
			}
			if child.children != nil && value[0] == '{' {
				readObject(value, child, fields)
			}
		}
		if i = skipSpace(text, end); text[i] == ',' {
			i = skipSpace(text, i+1)
		}
	}
}

func newField(value string) field {
	switch value[0] {
	case '{', '[', 'n':
		return field{}
	case '"':
		return field{unquote(value), true}
	}
	return field{value, true}
}

func unquote(quoted string) string {
	if !strings.Contains(quoted, `\`) {
		return quoted[1 : len(quoted)-1]
	}
	var text string
	_ = json.Unmarshal([]byte(quoted), &text)
	return text
}

func skipSpace(text string, i int) int {
	for text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n' {
		i++
	}
	return i
}

func skipString(text string, i int) int {
	for i++; text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func skipValue(text string, i int) int {
	for depth := 0; ; {
		switch text[i] {
		case '"':
			i = skipString(text, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		default:
			i++
		}
		// A number or literal ends before what follows it; everything else has just ended.
		if depth == 0 && (strings.IndexByte(`"}]`, text[i-1]) >= 0 || strings.IndexByte(",}] \t\r\n", text[i]) >= 0) {
			return i
		}
	}
}
