package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// warning is the level from which oasdiff's findings break somebody's program. What severity.txt
// says comes on top: a field or a status that answers no longer have hurts nobody in oasdiff's
// eyes.
const warning = 2

// compareContracts finds what differs between two versions of the contract.
func compareContracts(before, now string) ([]change, error) {
	command := exec.Command("go", "tool", "oasdiff", "changelog", "--format", "json", "--severity-levels", "severity.txt", before, now)
	out, err := command.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			err = fmt.Errorf("%w: %s", err, failed.Stderr)
		}
		return nil, fmt.Errorf("oasdiff: %w", err)
	}
	var findings []struct {
		ID, Text, Operation, Path string
		Level                     int
	}
	if len(out) > 0 {
		if err := json.Unmarshal(out, &findings); err != nil {
			return nil, fmt.Errorf("oasdiff: %w", err)
		}
	}
	var changes []change
	for _, f := range findings {
		where := strings.TrimSpace(f.Operation + " " + f.Path)
		if where != "" {
			where += ": "
		}
		changes = append(changes, change{fmt.Sprintf("%s%s [%s]", where, f.Text, f.ID), f.Level >= warning})
	}
	narrowed, err := narrowedParameters(before, now)
	if err != nil {
		return nil, err
	}
	known, err := knownValues(before, now)
	return append(append(changes, narrowed...), known...), err
}

// knownValues finds what oasdiff does not know: values that are listed and leave others open, and
// the forms of the values of a list. Neither breaks a program: unlisted values are valid too, and a
// value of no form never matched anything.
func knownValues(before, now string) ([]change, error) {
	old, err := openapi3.NewLoader().LoadFromFile(before)
	if err != nil {
		return nil, err
	}
	current, err := openapi3.NewLoader().LoadFromFile(now)
	if err != nil {
		return nil, err
	}
	was, is := statements(old), statements(current)
	var changes []change
	for _, statement := range slices.Sorted(maps.Keys(is)) {
		if !was[statement] {
			changes = append(changes, change{statement + ": added", false})
		}
	}
	for _, statement := range slices.Sorted(maps.Keys(was)) {
		if !is[statement] {
			changes = append(changes, change{statement + ": removed", false})
		}
	}
	return changes, nil
}

// statements are the known values and the forms of the parameters and schemas of a contract.
func statements(doc *openapi3.T) map[string]bool {
	found := map[string]bool{}
	state := func(where string, schema *openapi3.Schema) {
		listed, _ := schema.Extensions["x-extensible-enum"].([]any)
		for _, value := range append(listed, schema.Enum...) {
			found[fmt.Sprintf("%s: known value `%v`", where, value)] = true
		}
		for _, form := range schema.AnyOf {
			found[fmt.Sprintf("%s: form %s", where, describe(form))] = true
		}
	}
	for _, p := range doc.Components.Parameters {
		if items := p.Value.Schema.Value.Items; items != nil {
			state("parameter "+p.Value.Name, items.Value)
		}
	}
	for name, schema := range doc.Components.Schemas {
		for field, property := range schema.Value.Properties {
			state("field "+name+"."+field, property.Value)
		}
	}
	return found
}

// narrowedParameters finds what oasdiff overlooks: a parameter that takes any of several forms, and
// loses one.
func narrowedParameters(before, now string) ([]change, error) {
	old, err := openapi3.NewLoader().LoadFromFile(before)
	if err != nil {
		return nil, err
	}
	current, err := openapi3.NewLoader().LoadFromFile(now)
	if err != nil {
		return nil, err
	}
	var changes []change
	for _, path := range slices.Sorted(maps.Keys(old.Paths.Map())) {
		for method, operation := range old.Paths.Value(path).Operations() {
			same := current.Paths.Value(path)
			if same == nil || same.GetOperation(method) == nil {
				continue
			}
			for _, p := range operation.Parameters {
				q := same.GetOperation(method).Parameters.GetByInAndName(p.Value.In, p.Value.Name)
				if q == nil {
					continue
				}
				forms := q.Schema.Value.AnyOf
				for _, form := range p.Value.Schema.Value.AnyOf {
					if len(forms) > 0 && !slices.ContainsFunc(forms, func(f *openapi3.SchemaRef) bool { return describe(f) == describe(form) }) {
						changes = append(changes, change{fmt.Sprintf("%s %s: the %s request parameter `%s` no longer takes %s",
							method, path, p.Value.In, p.Value.Name, describe(form)), true})
					}
				}
			}
		}
	}
	return changes, nil
}

// describe is what a form of a value allows, without the words about it.
func describe(form *openapi3.SchemaRef) string {
	bare := *form.Value
	bare.Description, bare.Example, bare.Extensions = "", nil, nil
	text, err := json.Marshal(&bare)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
