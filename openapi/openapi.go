// Package openapi holds the contract: the description of Cloudflare's audit log API from which the types, the client, the
// server interface and the tables in gen are generated, and against which every request and response is tested.
package openapi

import _ "embed"

// Contract is the OpenAPI 3.0 document auditlogs.yaml, byte for byte.
//
//go:embed auditlogs.yaml
var Contract []byte
