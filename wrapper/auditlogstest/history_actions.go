package auditlogstest

import "slices"

// An action is something that people do. In uri, request and response, a word after a dollar sign
// is replaced: see writer.fill.
type action struct {
	product, resource, scope string
	verb, description        string
	method, uri              string
	about                    subject
	request, response        string

	weight int // how often people do it, compared with the others
	also   manner
}

// A subject says which resource an action is about.
type subject int

const (
	ofAccount   subject = iota // one of many of the account, or of the organization
	ofZone                     // one of many of a zone
	oncePerZone                // the only one of its type in a zone
	zoneSetting                // one of the settings of a zone
	zoneItself                 // a zone
)

// A manner says how an action happens beside one at a time by a person.
type manner int

const (
	inBulk   manner = iota + 1 // tools do it many times in one instant
	bySystem                   // without a person
)

// accountActions are what people do to an account.
var accountActions = []action{
	{"dns", "dns.record", "zones", "create", "Create DNS record", "POST", "/zones/$zone/dns_records", ofZone,
		`{"type":"A","name":"$name.$domain","content":"$ip","ttl":300,"proxied":true,"comment":"$words"}`,
		`{"id":"$id","zone_id":"$zone","type":"A","name":"$name.$domain","content":"$ip","ttl":300,"proxiable":true,` +
			`"proxied":true,"meta":{"auto_added":false},"tags":["owner:$name","$word"],"comment":"$words"}`, 10, inBulk},
	{"dns", "dns.record", "zones", "update", "Update DNS record", "PATCH", "/zones/$zone/dns_records/$id", ofZone,
		`{"content":"$ip","ttl":$number,"comment":"$words"}`,
		`{"id":"$id","zone_id":"$zone","type":"A","name":"$name.$domain","content":"$ip","ttl":$number,"proxiable":true,` +
			`"proxied":true,"meta":{"auto_added":false},"tags":["owner:$name"],"comment":"$words"}`, 14, inBulk},
	{"dns", "dns.record", "zones", "delete", "Delete DNS record", "DELETE", "/zones/$zone/dns_records/$id", ofZone,
		`{}`, `{"id":"$id"}`, 6, 0},
	{"members", "account.member", "accounts", "create", "Add member", "POST", "/accounts/$account/members", ofAccount,
		`{"email":"$name@example.com","roles":["$hex","$hex"],"status":"pending"}`,
		`{"id":"$id","status":"pending","user":{"id":null,"email":"$name@example.com",` +
			`"two_factor_authentication_enabled":false},"roles":[{"id":"$hex","name":"Administrator Read Only",` +
			`"description":"Can access the full account in read-only mode.","permissions":{"dns_records":{"read":true,` +
			`"edit":false},"logs":{"read":true,"edit":false}}}],"policies":[]}`, 2, 0},
	{"members", "account.member", "memberships", "delete", "Remove member", "DELETE",
		"/accounts/$account/members/$id", ofAccount,
		`{}`, `{"id":"$id"}`, 1, 0},
	{"access", "access.policy", "accounts", "update", "Update Access policy", "PUT",
		"/accounts/$account/access/policies/$id", ofAccount,
		`{"name":"$name staff","decision":"allow","precedence":$number,"include":[{"email_domain":{"domain":"example.com"}}],` +
			`"require":[{"auth_method":{"auth_method":"mfa"}}],"session_duration":"24h"}`,
		`{"id":"$id","uid":"$id","name":"$name staff","decision":"allow","precedence":$number,"include":[` +
			`{"email_domain":{"domain":"example.com"}}],"require":[{"auth_method":{"auth_method":"mfa"}}],"exclude":[],` +
			`"created_at":"2024-03-01T08:00:00Z","updated_at":"$time","session_duration":"24h"}`, 4, 0},
	{"access", "access.application", "accounts", "create", "Create Access application", "POST",
		"/accounts/$account/access/apps", ofAccount,
		`{"name":"$words","domain":"$name.$domain","type":"self_hosted","allowed_idps":["$uuid","$uuid"],` +
			`"auto_redirect_to_identity":true,"cors_headers":{"allowed_methods":["GET","POST"],"max_age":$number}}`,
		`{"id":"$uuid","aud":"$hex$hex","name":"$words","domain":"$name.$domain","type":"self_hosted",` +
			`"allowed_idps":["$uuid"],"destinations":[{"type":"public","uri":"$name.$domain"}],"created_at":"$time"}`, 2, 0},
	{"firewall", "waf.rule", "zones", "update", "Update WAF custom rules", "PUT",
		"/zones/$zone/rulesets/phases/http_request_firewall_custom/entrypoint", oncePerZone,
		`{"rules":[$rules]}`, `{"id":"$id","name":"default","kind":"zone","version":"$number","rules":[$rules],` +
			`"phase":"http_request_firewall_custom","last_updated":"$time"}`, 5, 0},
	{"firewall", "ip.list", "accounts", "create", "Add IP list items", "POST",
		"/accounts/$account/rules/lists/$id/items", ofAccount,
		`[{"ip":"$ip","comment":"$words"},{"ip":"$ip","comment":"$words"},{"ip":"$ip"}]`,
		`{"operation_id":"$hex"}`, 3, inBulk},
	{"workers", "workers.script", "accounts", "update", "Upload Worker", "PUT",
		"/accounts/$account/workers/scripts/$name", ofAccount,
		`{"main_module":"worker.js","compatibility_date":"2024-09-23","bindings":[{"type":"kv_namespace","name":` +
			`"CACHE","namespace_id":"$hex"},{"type":"plain_text","name":"MODE","text":"$word"}],"tags":["$word"]}`,
		`{"id":"$name","etag":"$hex$hex","handlers":["fetch","scheduled"],"modified_on":"$time","created_on":` +
			`"2023-06-01T10:00:00.123456Z","usage_model":"standard","startup_time_ms":$number,"logpush":false}`, 12, 0},
	{"workers", "workers.secret", "accounts", "update", "Put Worker secret", "PUT",
		"/accounts/$account/workers/scripts/$name/secrets", ofAccount,
		`{"name":"API_SECRET","type":"secret_text","text":"[REDACTED]"}`, `{"name":"API_SECRET","type":"secret_text"}`, 3, 0},
	{"r2", "r2.bucket", "accounts", "create", "Create R2 bucket", "POST", "/accounts/$account/r2/buckets", ofAccount,
		`{"name":"$name-$number","locationHint":"weur","storageClass":"Standard"}`,
		`{"name":"$name-$number","creation_date":"$time","location":"WEUR","storage_class":"Standard"}`, 2, 0},
	{"r2", "r2.lifecycle", "accounts", "update", "Update R2 lifecycle", "PUT",
		"/accounts/$account/r2/buckets/$name/lifecycle", ofAccount,
		`{"rules":[{"id":"$words","enabled":true,"conditions":{"prefix":"$word/"},"deleteObjectsTransition":` +
			`{"condition":{"type":"Age","maxAge":$number}}}]}`, `{}`, 3, 0},
	{"tokens", "user.token", "user", "create", "Create API token", "POST", "/user/tokens", ofAccount,
		`{"name":"$words","policies":[{"effect":"allow","permission_groups":[{"id":"$hex","name":"DNS Write"},` +
			`{"id":"$hex","name":"Zone Read"}],"resources":{"com.cloudflare.api.account.zone.$zone":"*"}}],` +
			`"condition":{"request_ip":{"in":["$ip/32"]}},"expires_on":"2027-01-01T00:00:00Z"}`,
		`{"id":"$id","name":"$words","status":"active","issued_on":"$time","modified_on":"$time","value":"[REDACTED]"}`, 1, 0},
	{"tokens", "user.token", "user", "update", "Roll API token", "PUT", "/user/tokens/$id/value", ofAccount,
		`{}`, `"[REDACTED]"`, 1, 0},
	{"tokens", "account.token", "accounts", "delete", "Delete API token", "DELETE", "/accounts/$account/tokens/$id", ofAccount,
		`{}`, `{"id":"$id"}`, 1, 0},
	{"zones", "zone.setting", "zones", "update", "Change zone setting", "PATCH", "/zones/$zone/settings/$setting", zoneSetting,
		`{"value":"$value"}`, `{"id":"$setting","value":"$value","editable":true,"modified_on":"$time"}`, 5, bySystem},
	{"zones", "zone", "zones", "update", "Edit zone", "PATCH", "/zones/$zone", zoneItself,
		`{"vanity_name_servers":["$word.ns.$domain","ns.$domain"]}`,
		`{"id":"$zone","name":"$domain","status":"active","paused":false,"type":"full","vanity_name_servers":["$word.ns.` +
			`$domain","ns.$domain"],"modified_on":"$time","plan":{"id":"$hex","name":"Pro Website",` +
			`"price":20,"currency":"USD","frequency":"monthly","is_subscribed":true}}`, 2, 0},
	{"cache", "zone.cache", "zones", "delete", "Purge cache", "POST", "/zones/$zone/purge_cache", zoneItself,
		`{"files":["https://$domain/$word.css","https://$domain/$word/$word.js","https://$domain/$word.html"]}`,
		`{"id":"$zone"}`, 8, 0},
	{"load_balancers", "load_balancer.pool", "accounts", "update", "Update load balancer pool", "PATCH",
		"/accounts/$account/load_balancers/pools/$id", ofAccount,
		`{"origins":[{"name":"$name-1","address":"$ip","enabled":true,"weight":1},{"name":"$name-2","address":"192.0.2.10",` +
			`"enabled":false,"weight":0.5}],"minimum_origins":1}`,
		`{"id":"$id","name":"$name","enabled":true,"healthy":true,"check_regions":["WEU","EEU","ENAM"],"origins":[` +
			`{"name":"$name-1","address":"$ip","enabled":true,"weight":1},{"name":"$name-2","address":"192.0.2.10",` +
			`"enabled":false,"weight":0.5}],"minimum_origins":1,"modified_on":"$time","notification_email":""}`, 4, 0},
	{"load_balancers", "load_balancer", "zones", "create", "Create load balancer", "POST",
		"/zones/$zone/load_balancers", ofZone,
		`{"name":"$name.$domain","default_pools":["$hex","$hex"],"fallback_pool":"$hex","proxied":true}`,
		`{"id":"$id","name":"$name.$domain","ttl":30,"steering_policy":"dynamic_latency","created_on":"$time"}`, 2, 0},
	{"audit_logs", "audit_log", "accounts", "view", "View audit logs", "GET", "/accounts/$account/logs/audit", ofAccount,
		`{}`, `{}`, 3, 0},
	{"ssl", "certificate", "zones", "create", "Issue origin certificate", "POST", "/certificates", ofZone,
		`{"hostnames":["$domain","*.$domain"],"requested_validity":5475,"request_type":"origin-rsa"}`,
		`{"id":"$number","expires_on":"2039-01-01T05:20:00Z","hostnames":["$domain","*.$domain"],"request_type":` +
			`"origin-rsa","certificate":"[REDACTED]"}`, 2, bySystem},
}

// organizationActions are what people do to an organization.
var organizationActions = []action{
	{"members", "organization.member", "organizations", "create", "Add organization member", "POST",
		"/organizations/$organization/members", ofAccount,
		`{"member":{"user":{"email":"$name@example.com"},"status":"active"}}`,
		`{"id":"$id","status":"active","create_time":"$time","user":{"email":"$name@example.com","two_factor_authentication_enabled":true}}`,
		2, inBulk},
	{"members", "organization.member", "organizations", "delete", "Remove organization member", "DELETE",
		"/organizations/$organization/members/$id", ofAccount,
		`{}`, `{"id":"$id"}`, 1, inBulk},
	{"organizations", "organization.profile", "organizations", "update", "Update organization profile", "PUT",
		"/organizations/$organization/profile", ofAccount,
		`{"business_name":"$words","business_email":"$name@example.com"}`, `{}`, 1, 0},
	{"organizations", "organization.account", "organizations", "create", "Add account to organization", "POST",
		"/organizations/$organization/accounts", ofAccount,
		`{"name":"$words"}`, `{"id":"$id","name":"$words","created_on":"$time"}`, 1, 0},
	{"shares", "organization.share", "organizations", "update", "Update share", "PUT",
		"/organizations/$organization/shares/$id", ofAccount,
		`{"name":"$words"}`, `{"id":"$id","name":"$words","modified":"$time","status":"active"}`, 2, bySystem},
}

// A catalog holds the actions of one log, each as often as its weight says.
type catalog struct {
	actions      []*action
	bulk, system []*action
}

func newCatalog(actions []action) catalog {
	var c catalog
	for i := range actions {
		a := &actions[i]
		c.actions = append(c.actions, slices.Repeat([]*action{a}, a.weight)...)
		switch a.also {
		case inBulk:
			c.bulk = append(c.bulk, a)
		case bySystem:
			c.system = append(c.system, a)
		}
	}
	return c
}

var (
	accountCatalog      = newCatalog(accountActions)
	organizationCatalog = newCatalog(organizationActions)
)

// A setting is one of a zone, with a value that people give it.
type setting struct{ name, value string }

// settings are those that people change every now and then.
var settings = []setting{
	{"ssl", "strict"}, {"always_use_https", "on"}, {"brotli", "on"}, {"brotli", "off"}, {"rocket_loader", "on"},
	{"rocket_loader", "off"}, {"development_mode", "on"}, {"development_mode", "off"}, {"polish", "lossless"},
	{"polish", "lossy"},
}

var words = []string{
	"amber", "basil", "cedar", "delta", "ember", "fjord", "garnet", "harbor", "indigo", "juniper", "kelp", "linden",
	"maple", "nimbus", "onyx", "pepper", "quartz", "raven", "saffron", "tundra", "umber", "violet", "willow", "zephyr",
}
