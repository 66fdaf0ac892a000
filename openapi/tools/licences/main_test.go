package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestClassify(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"MIT, whatever its line breaks": {"Permission is hereby\ngranted, free of charge, to any person\nobtaining a copy", []string{"MIT"}},
		"two in one file": {"Apache License\n  Version 2.0, January 2004\n…\nPermission is hereby granted, free of charge, to any person obtaining a copy",
			[]string{"Apache-2.0", "MIT"}},
		"one that we cannot ship":               {"GNU GENERAL PUBLIC LICENSE\nVersion 3", nil},
		"one that we cannot ship, next to MIT":  {"Permission is hereby granted, free of charge, to any person obtaining a copy. Or the Mozilla Public License", nil},
		"words that are not those of a licence": {"All rights reserved.", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := classify(test.text); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestOwnLicence reads a licence as it is in a repository.
func TestOwnLicence(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "LICENSE"))
	if err != nil {
		t.Fatal(err)
	}
	if got := classify(string(text)); !slices.Equal(got, []string{"Apache-2.0"}) {
		t.Errorf("got %q", got)
	}
}
