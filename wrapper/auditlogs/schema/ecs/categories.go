package ecs

// identities are the products whose entries are of the category iam, with a type beside the one of
// the action; "" for none. All others are configuration.
var identities = map[string]string{
	"access":            "",
	"account_tokens":    "",
	"accounts":          "",
	"api_tokens":        "",
	"iam":               "",
	"members":           "user",
	"memberships":       "user",
	"oauth":             "",
	"organizations":     "",
	"permission_groups": "group",
	"resource_groups":   "group",
	"roles":             "group",
	"sso":               "",
	"tokens":            "",
	"user":              "user",
	"user_groups":       "group",
	"users":             "user",
	"zerotrust":         "",
}

// A verb is what an action does, in the words of the schema.
type verb struct {
	kind     string // a type; [other] where the category does not have it
	category string // where the action decides about it
}

// verbs sort actions. All others are [other].
var verbs = map[string]verb{
	"create": {kind: "creation"},
	"update": {kind: "change"},
	"delete": {kind: "deletion"},
	"view":   {kind: "access"},
	"login":  {kind: "start", category: "authentication"},
	"logout": {kind: "end", category: "authentication"},
}

// other is the type of actions that have none of their own.
const other = "info"

// classify returns the category and types of an action on a product. The second type can be "".
func classify(action, product []byte) (name string, kinds [2]string) {
	v := verbs[string(action)]
	kind, isIdentity := identities[string(product)]
	if v.kind == "" {
		v.kind = other
	}
	switch {
	case v.category != "":
		return v.category, [2]string{v.kind}
	case !isIdentity:
		return "configuration", [2]string{v.kind}
	case v.kind == "access": // Which iam does not have.
		v.kind = other
	}
	return "iam", [2]string{v.kind, kind}
}
