// Package openapi holds the contract: the description of Cloudflare's audit log API from which the
// types, the client, the server interface and the tables in gen are generated, and against which
// every request and response is tested.
package openapi

import (
	"bytes"
	_ "embed"
	"strings"
)

// Contract is the OpenAPI 3.0 document auditlogs.yaml, byte for byte.
//
//go:embed auditlogs.yaml
var Contract []byte

// Version returns the contract's version, its info.version.
func Version() string { return version(Contract) }

// version finds info.version in a contract. The contract is this project's own, in block style, so
// that reading its lines is enough.
func version(contract []byte) string {
	inside := false
	for line := range bytes.Lines(contract) {
		text := strings.TrimRight(string(line), " \r\n")
		switch {
		case text == "info:":
			inside = true
		case inside && strings.HasPrefix(text, "  version:"):
			return strings.Trim(strings.TrimSpace(strings.TrimPrefix(text, "  version:")), `"'`)
		case inside && text != "" && text[0] != ' ' && text[0] != '#':
			inside = false
		}
	}
	return "unknown"
}
