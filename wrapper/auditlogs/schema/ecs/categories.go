package ecs

// A category is where an entry belongs by the product of its resource.
type category struct {
	name string
	kind string // a type beside the one of the action; "" for none
}

// categories sort products. All others are configuration.
var categories = map[string]category{
	"access":            {"iam", ""},
	"account_tokens":    {"iam", ""},
	"accounts":          {"iam", ""},
	"api_tokens":        {"iam", ""},
	"iam":               {"iam", ""},
	"members":           {"iam", "user"},
	"memberships":       {"iam", "user"},
	"oauth":             {"iam", ""},
	"organizations":     {"iam", ""},
	"permission_groups": {"iam", "group"},
	"resource_groups":   {"iam", "group"},
	"roles":             {"iam", "group"},
	"sso":               {"iam", ""},
	"tokens":            {"iam", ""},
	"user":              {"iam", "user"},
	"user_groups":       {"iam", "group"},
	"users":             {"iam", "user"},
	"zerotrust":         {"iam", ""},
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
	v, c := verbs[string(action)], categories[string(product)]
	if v.kind == "" {
		v.kind = other
	}
	switch {
	case v.category != "":
		return v.category, [2]string{v.kind}
	case c.name == "":
		return "configuration", [2]string{v.kind}
	case v.kind == "access": // Which iam does not have.
		v.kind = other
	}
	return c.name, [2]string{v.kind, c.kind}
}
