package main

import (
	"fmt"
	"go/types"
	"maps"
	"slices"
	"strings"

	"golang.org/x/exp/apidiff"
)

// compareLibraries finds what differs between two surfaces of a module.
func compareLibraries(m *module, before, now surface) ([]change, error) {
	old, err := before.check(m.load)
	if err != nil {
		return nil, fmt.Errorf("the released API: %w", err)
	}
	current, err := now.check(m.load)
	if err != nil {
		return nil, fmt.Errorf("today's API: %w", err)
	}
	var changes []change
	for _, path := range slices.Sorted(maps.Keys(old)) {
		name := strings.TrimPrefix(path, m.path+"/")
		if current[path] == nil {
			changes = append(changes, change{name + ": package removed", true})
			continue
		}
		for _, c := range apidiff.Changes(old[path], current[path]).Changes {
			object, _, _ := strings.Cut(c.Message, ":")
			if !slices.Contains(m.public, path) && (aliased(old[path], object) || aliased(current[path], object)) {
				// The generator's names for a parameter's type. Their types show where they are
				// used.
				continue
			}
			changes = append(changes, change{name + ": " + c.Message, !c.Compatible})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(current)) {
		if old[path] == nil {
			changes = append(changes, change{strings.TrimPrefix(path, m.path+"/") + ": package added", false})
		}
	}
	return changes, nil
}

func aliased(p *types.Package, name string) bool {
	object, ok := p.Scope().Lookup(name).(*types.TypeName)
	return ok && object.IsAlias()
}
