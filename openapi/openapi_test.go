package openapi

import "testing"

func TestVersion(t *testing.T) {
	for text, want := range map[string]string{
		"openapi: 3.0.3\ninfo:\n  title: x\n  version: 1.2.3\n":      "1.2.3",
		"info:\r\n  version: \"2\"\r\npaths: {}\r\n":                 "2",
		"info:\n  title: x\nother:\n  version: 9\n":                  "unknown",
		"other:\n  version: 9\ninfo:\n  # why\n\n  version: '1.0'\n": "1.0",
	} {
		if got := version([]byte(text)); got != want {
			t.Errorf("version in %q is %q, want %q", text, got, want)
		}
	}
	if v := Version(); v == "" || v == "unknown" {
		t.Errorf("the contract has version %q", v)
	}
}
