package auditlogstest

import (
	"math/rand/v2"
	"strconv"
)

// A deed is something that people do. In uri, request and response, a word after a dollar sign is
// replaced: see writer.fill.
type deed struct {
	product, resource, scope string
	action, description      string
	method, uri, concerns    string
	request, response        string
}

// ofZone marks a deed that concerns a zone.
const ofZone = "zone"

var deeds = []deed{
	{"dns", "dns.record", "zones", "create", "Create DNS record", "POST", "/zones/$zone/dns_records", ofZone,
		`{"type":"A","name":"$word.$domain","content":"$ip","ttl":300,"proxied":true,"comment":"$words"}`,
		`{"id":"$id","zone_id":"$zone","type":"A","name":"$word.$domain","content":"$ip","ttl":300,"proxiable":true,` +
			`"proxied":true,"meta":{"auto_added":false},"tags":["owner:$word","$word"],"comment":"$words"}`},
	{"dns", "dns.record", "zones", "update", "Update DNS record", "PATCH", "/zones/$zone/dns_records/$id", ofZone,
		`{"content":"$ip","ttl":$number,"comment":"$words"}`,
		`{"id":"$id","zone_id":"$zone","type":"CNAME","name":"$word.$domain","ttl":$number,"proxied":false,` +
			`"comment":"$words","tags":[]}`},
	{"dns", "dns.record", "zones", "delete", "Delete DNS record", "DELETE", "/zones/$zone/dns_records/$id", ofZone,
		`{}`, `{"id":"$id"}`},
	{"members", "account.member", "accounts", "create", "Add member", "POST", "/accounts/$account/members", "",
		`{"email":"$word@example.com","roles":["$hex","$hex"],"status":"pending"}`,
		`{"id":"$id","status":"pending","user":{"id":null,"email":"$word@example.com",` +
			`"two_factor_authentication_enabled":false},"roles":[{"id":"$hex","name":"Administrator Read Only",` +
			`"description":"Can access the full account in read-only mode.","permissions":{"dns_records":{"read":true,` +
			`"edit":false},"logs":{"read":true,"edit":false}}}],"policies":[]}`},
	{"members", "account.member", "memberships", "delete", "Remove member", "DELETE",
		"/accounts/$account/members/$id", "",
		`{}`, `{"id":"$id"}`},
	{"access", "access.policy", "accounts", "update", "Update Access policy", "PUT",
		"/accounts/$account/access/policies/$uuid", "",
		`{"name":"$words","decision":"allow","include":[{"email_domain":{"domain":"example.com"}},` +
			`{"group":{"id":"$uuid"}}],"require":[{"auth_method":{"auth_method":"mfa"}}],"session_duration":"24h"}`,
		`{"id":"$uuid","uid":"$uuid","name":"$words","decision":"allow","precedence":$number,"include":[` +
			`{"email_domain":{"domain":"example.com"}},{"group":{"id":"$uuid"}}],"exclude":[],` +
			`"created_at":"2024-03-01T08:00:00Z","updated_at":"$time","session_duration":"24h"}`},
	{"access", "access.application", "accounts", "create", "Create Access application", "POST",
		"/accounts/$account/access/apps", "",
		`{"name":"$words","domain":"$word.$domain","type":"self_hosted","allowed_idps":["$uuid","$uuid"],` +
			`"auto_redirect_to_identity":true,"cors_headers":{"allowed_methods":["GET","POST"],"max_age":$number}}`,
		`{"id":"$uuid","aud":"$hex$hex","name":"$words","domain":"$word.$domain","type":"self_hosted",` +
			`"allowed_idps":["$uuid"],"destinations":[{"type":"public","uri":"$word.$domain"}],"created_at":"$time"}`},
	{"firewall", "waf.rule", "zones", "update", "Update WAF custom rules", "PUT",
		"/zones/$zone/rulesets/phases/http_request_firewall_custom/entrypoint", ofZone,
		`{"rules":[$rules]}`, `{"id":"$hex","name":"default","kind":"zone","version":"$number","rules":[$rules],` +
			`"phase":"http_request_firewall_custom","last_updated":"$time"}`},
	{"firewall", "ip.list", "accounts", "create", "Add IP list items", "POST",
		"/accounts/$account/rules/lists/$id/items", "",
		`[{"ip":"$ip","comment":"$words"},{"ip":"$ip","comment":"$words"},{"ip":"$ip"}]`,
		`{"operation_id":"$hex"}`},
	{"workers", "workers.script", "accounts", "update", "Upload Worker", "PUT",
		"/accounts/$account/workers/scripts/$word", "",
		`{"main_module":"worker.js","compatibility_date":"2024-09-23","bindings":[{"type":"kv_namespace","name":` +
			`"CACHE","namespace_id":"$hex"},{"type":"plain_text","name":"MODE","text":"$word"}],"tags":["$word"]}`,
		`{"id":"$word","etag":"$hex$hex","handlers":["fetch","scheduled"],"modified_on":"$time","created_on":` +
			`"2023-06-01T10:00:00.123456Z","usage_model":"standard","startup_time_ms":$number,"logpush":false}`},
	{"workers", "workers.secret", "accounts", "update", "Put Worker secret", "PUT",
		"/accounts/$account/workers/scripts/$word/secrets", "",
		`{"name":"API_SECRET","type":"secret_text","text":"[REDACTED]"}`, `{"name":"API_SECRET","type":"secret_text"}`},
	{"r2", "r2.bucket", "accounts", "create", "Create R2 bucket", "POST", "/accounts/$account/r2/buckets", "",
		`{"name":"$word-$word-$number","locationHint":"weur","storageClass":"Standard"}`,
		`{"name":"$word-$word-$number","creation_date":"$time","location":"WEUR","storage_class":"Standard"}`},
	{"r2", "r2.lifecycle", "accounts", "update", "Update R2 lifecycle", "PUT",
		"/accounts/$account/r2/buckets/$word/lifecycle", "",
		`{"rules":[{"id":"$words","enabled":true,"conditions":{"prefix":"$word/"},"deleteObjectsTransition":` +
			`{"condition":{"type":"Age","maxAge":$number}}}]}`, `{}`},
	{"tokens", "user.token", "user", "create", "Create API token", "POST", "/user/tokens", "",
		`{"name":"$words","policies":[{"effect":"allow","permission_groups":[{"id":"$hex","name":"DNS Write"},` +
			`{"id":"$hex","name":"Zone Read"}],"resources":{"com.cloudflare.api.account.zone.$zone":"*"}}],` +
			`"condition":{"request_ip":{"in":["$ip/32"]}},"expires_on":"2027-01-01T00:00:00Z"}`,
		`{"id":"$id","name":"$words","status":"active","issued_on":"$time","modified_on":"$time","value":"[REDACTED]"}`},
	{"tokens", "user.token", "user", "update", "Roll API token", "PUT", "/user/tokens/$id/value", "",
		`{}`, `"[REDACTED]"`},
	{"tokens", "account.token", "accounts", "delete", "Delete API token", "DELETE", "/accounts/$account/tokens/$id", "",
		`{}`, `{"id":"$id"}`},
	{"zones", "zone.setting", "zones", "update", "Change zone setting", "PATCH", "/zones/$zone/settings/ssl", ofZone,
		`{"value":"strict"}`,
		`{"id":"ssl","value":"strict","editable":true,"modified_on":"$time","certificate_status":"active"}`},
	{"zones", "zone", "zones", "create", "Create zone", "POST", "/zones", ofZone,
		`{"name":"$domain","account":{"id":"$account"},"type":"full"}`,
		`{"id":"$zone","name":"$domain","status":"pending","paused":false,"type":"full","name_servers":["$word.ns.` +
			`cloudflare.com","$word.ns.cloudflare.com"],"created_on":"$time","plan":{"id":"$hex","name":"Pro Website",` +
			`"price":20,"currency":"USD","frequency":"monthly","is_subscribed":true}}`},
	{"cache", "zone.cache", "zones", "delete", "Purge cache", "POST", "/zones/$zone/purge_cache", ofZone,
		`{"files":["https://$domain/$word.css","https://$domain/$word/$word.js","https://$domain/$word.html"]}`,
		`{"id":"$zone"}`},
	{"load_balancers", "load_balancer.pool", "accounts", "update", "Update load balancer pool", "PATCH",
		"/accounts/$account/load_balancers/pools/$id", "",
		`{"origins":[{"name":"$word","address":"$ip","enabled":true,"weight":1},{"name":"$word","address":"$ip",` +
			`"enabled":false,"weight":0.5}],"minimum_origins":1}`,
		`{"id":"$id","name":"$word","enabled":true,"healthy":true,"check_regions":["WEU","EEU","ENAM"],"origins":[` +
			`{"name":"$word","address":"$ip","enabled":true,"weight":1}],"modified_on":"$time","notification_email":""}`},
	{"load_balancers", "load_balancer", "zones", "create", "Create load balancer", "POST",
		"/zones/$zone/load_balancers", ofZone,
		`{"name":"$word.$domain","default_pools":["$hex","$hex"],"fallback_pool":"$hex","proxied":true}`,
		`{"id":"$id","name":"$word.$domain","ttl":30,"steering_policy":"dynamic_latency","created_on":"$time"}`},
	{"audit_logs", "audit_log", "accounts", "view", "View audit logs", "GET", "/accounts/$account/logs/audit", "",
		`{}`, `{}`},
	{"ssl", "certificate", "zones", "create", "Issue origin certificate", "POST", "/certificates", ofZone,
		`{"hostnames":["$domain","*.$domain"],"requested_validity":5475,"request_type":"origin-rsa"}`,
		`{"id":"$number","expires_on":"2039-01-01T05:20:00Z","hostnames":["$domain","*.$domain"],"request_type":` +
			`"origin-rsa","certificate":"[REDACTED]"}`},
}

// organizationDeeds are what people do to an organization.
var organizationDeeds = []deed{
	{"members", "organization.member", "organizations", "create", "Add organization member", "POST",
		"/organizations/$organization/members", "",
		`{"member":{"user":{"email":"$word@example.com"},"status":"active"}}`,
		`{"id":"$id","status":"active","create_time":"$time","user":{"email":"$word@example.com","two_factor_authentication_enabled":true}}`},
	{"members", "organization.member", "organizations", "delete", "Remove organization member", "DELETE",
		"/organizations/$organization/members/$id", "",
		`{}`, `{"id":"$id"}`},
	{"organizations", "organization.profile", "organizations", "update", "Update organization profile", "PUT",
		"/organizations/$organization/profile", "",
		`{"business_name":"$words","business_email":"$word@example.com"}`, `{}`},
	{"organizations", "organization.account", "organizations", "create", "Add account to organization", "POST",
		"/organizations/$organization/accounts", "",
		`{"name":"$words"}`, `{"id":"$id","name":"$words","created_on":"$time"}`},
	{"shares", "organization.share", "organizations", "update", "Update share", "PUT",
		"/organizations/$organization/shares/$id", "",
		`{"name":"$words"}`, `{"id":"$id","name":"$words","modified":"$time","status":"active"}`},
}

// A repertoire is what happens in one log: deeds, by their numbers those that tools do many times
// at once, and those that happen without a person.
type repertoire struct {
	deeds        []deed
	bulk, system []int
}

var (
	accountRepertoire      = repertoire{deeds, []int{0, 1, 2, 18}, []int{13, 16, 22}}
	organizationRepertoire = repertoire{organizationDeeds, []int{0, 1}, []int{4}}
)

var words = []string{
	"amber", "basil", "cedar", "delta", "ember", "fjord", "garnet", "harbor", "indigo", "juniper", "kelp", "linden",
	"maple", "nimbus", "onyx", "pepper", "quartz", "raven", "saffron", "tundra", "umber", "violet", "willow", "zephyr",
}

// A writer makes the text of entries.
type writer struct {
	rng          *rand.Rand
	account      string
	organization string // whose entries they are; "" for the account's
	repertoire
	least     int // bytes of an entry
	cast      []actor
	zones     []zone
	resources map[string][]string // the last resources of each type
	weights   int
	buffer    []byte
}

func (w *writer) pickActor() int {
	if w.weights == 0 {
		for _, a := range w.cast {
			w.weights += a.weight
		}
	}
	n := w.rng.IntN(w.weights)
	for i, a := range w.cast {
		if n -= a.weight; n < 0 {
			return i
		}
	}
	return 0
}

func (w *writer) pickDeed(actor int) int {
	if w.cast[actor].kind == "system" {
		return w.system[w.rng.IntN(len(w.system))]
	}
	return w.rng.IntN(len(w.deeds))
}

// resourceID returns the resource that a deed is about: a new one, or one of the last.
func (w *writer) resourceID(d *deed, z *zone) string {
	const remembered = 16
	kind := d.resource
	if d.concerns == ofZone {
		kind += " of " + z.id
	}
	id, known := hexID(w.rng), w.resources[kind]
	if recurs := id[0]%2 == 0 && d.action != "create"; recurs && len(known) > 0 {
		return known[int(id[1])%len(known)]
	}
	w.resources[kind] = append(known[max(0, len(known)+1-remembered):], id)
	return id
}

func (w *writer) entry(e *event, odd oddity) string {
	d, who, z := &w.deeds[e.deed], &w.cast[e.actor], &w.zones[e.zone]
	f := &filling{
		event: e, zone: z, ip: w.ip(), id: w.resourceID(d, z), word: w.word(), number: strconv.Itoa(1 + w.rng.IntN(3600)),
	}
	result, status := "success", "200"
	failed := odd == oddFailure || w.rng.IntN(100) == 0
	if failed {
		result, status = "failure", [...]string{"400", "403", "404", "409", "500"}[w.rng.IntN(5)]
	}
	action, context, description, name := d.action, who.context, d.description, who.tokenName
	switch odd {
	case oddLogin:
		action, description = "login", "Log in"
	case oddAPIContext:
		context = "api"
	case oddEmptyResult:
		result = ""
	case oddUnicode:
		description += " für Zoë, 東京 🚀"
	}

	b := append(w.buffer[:0], `{"id":"`...)
	if odd == oddUUID {
		b = w.appendUUID(b)
	} else {
		b = appendHex(appendHex(b, w.rng.Uint64()), w.rng.Uint64())
	}
	b = append(b, '"')
	switch {
	case w.organization != "":
		b = append(b, `,"organization":{`...)
		b = append(appendPair(b, "id", w.organization), '}')
	case odd != oddNoAccount:
		b = append(b, `,"account":{`...)
		b = appendPair(b, "id", w.account)
		b = append(appendPair(b, "name", "Example Account"), '}')
	}
	b = append(b, `,"action":{`...)
	b = appendPair(b, "description", description)
	b = appendPair(b, "result", result)
	b = append(b, `,"time":"`...)
	b = e.time.AppendFormat(b, e.layout)
	b = append(b, '"')
	b = append(appendPair(b, "type", action), `},"actor":{`...)
	b = appendPair(b, "id", who.id)
	b = appendPair(b, "context", context)
	if who.email != "" {
		b = appendPair(b, "email", who.email)
	}
	if who.ip != "" {
		b = appendPair(b, "ip_address", who.ip)
	}
	if odd == oddEscapes {
		// The same text could be written without escapes: who compares has to unescape.
		b = append(b, `,"token_id":"\u0061bc","token_name":"caf\u00e9 \"\/\"\n\ud83d\ude80"`...)
	} else if name != "" {
		b = appendPair(b, "token_id", who.tokenID)
		b = appendPair(b, "token_name", name)
	}
	b = append(appendPair(b, "type", who.kind), `},"raw":{"cf_ray_id":"`...)
	b = appendHex(b, w.rng.Uint64())
	b = append(b, '"')
	b = appendPair(b, "method", d.method)
	b = append(append(b, `,"status_code":`...), status...)
	b = append(b, `,"uri":"`...)
	b = w.fill(b, d.uri, f)
	b = append(b, '"')
	b = append(appendPair(b, "user_agent", who.agent), '}')
	b = w.resource(b, d, f, odd, failed)
	switch {
	case w.organization != "":
	case odd == oddNullZone:
		b = append(b, `,"zone":null`...)
	case odd == oddNoZone || d.concerns != ofZone:
	default:
		b = append(b, `,"zone":{`...)
		b = appendPair(b, "id", z.id)
		b = append(appendPair(b, "name", z.name), '}')
	}
	w.buffer = append(b, '}')
	return string(w.buffer)
}

// beyondMessages is about how long the rest of an entry is after the messages in its response.
const beyondMessages = 150

func (w *writer) resource(b []byte, d *deed, f *filling, odd oddity, failed bool) []byte {
	if odd == oddNullResource {
		return append(b, `,"resource":null`...)
	}
	b = append(b, `,"resource":{`...)
	b = appendPair(b, "id", f.id)
	b = appendPair(b, "product", d.product)
	b = append(b, `,"request":`...)
	b = w.fill(b, d.request, f)
	b = append(b, `,"response":{"success":`...)
	if failed {
		b = append(b,
			`false,"errors":[{"code":1004,"message":"The change was refused."}],"messages":[],"result":null}`...)
	} else {
		b = append(b, `true,"errors":[],"messages":[`...)
		for n := 0; len(b)+len(d.response)+beyondMessages < w.least; n++ {
			if n > 0 {
				b = append(b, ',')
			}
			b = w.fill(b, `{"code":$number,"message":"$words","source":{"pointer":"/$word/$word"},"retryable":false}`, f)
		}
		b = append(b, `],"result":`...)
		b = append(w.fill(b, d.response, f), '}')
	}
	if odd == oddScopeObject {
		b = append(b, `,"scope":{`...)
		b = append(appendPair(b, "type", d.scope), '}')
	} else {
		b = appendPair(b, "scope", d.scope)
	}
	b = appendPair(b, "type", d.resource)
	if odd == oddResourceValue {
		b = append(b, `,"value":{"old":[1,2.50,3e2],"new":null}`...)
	}
	return append(b, '}')
}

// appendPair adds a member to an object. No text of a history needs escapes.
func appendPair(b []byte, name, value string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(append(append(b, '"'), name...), `":"`...)
	return append(append(b, value...), '"')
}

// A filling is what stays the same within an entry.
type filling struct {
	event                *event
	zone                 *zone
	ip, id, word, number string
}

// fill appends a template with its words replaced.
func (w *writer) fill(b []byte, template string, f *filling) []byte {
	for i := 0; i < len(template); i++ {
		if template[i] != '$' {
			b = append(b, template[i])
			continue
		}
		end := i + 1
		for end < len(template) && template[end] >= 'a' && template[end] <= 'z' {
			end++
		}
		switch template[i+1 : end] {
		case "account":
			b = append(b, w.account...)
		case "organization":
			b = append(b, w.organization...)
		case "zone":
			b = append(b, f.zone.id...)
		case "domain":
			b = append(b, f.zone.name...)
		case "id":
			b = append(b, f.id...)
		case "ip":
			b = append(b, f.ip...)
		case "word":
			b = append(b, f.word...)
		case "number":
			b = append(b, f.number...)
		case "words":
			for n := range 2 + w.rng.IntN(5) {
				if n > 0 {
					b = append(b, ' ')
				}
				b = append(b, w.word()...)
			}
		case "hex":
			b = appendHex(appendHex(b, w.rng.Uint64()), w.rng.Uint64())
		case "uuid":
			b = w.appendUUID(b)
		case "time":
			b = f.event.time.AppendFormat(b, layoutMicros)
		case "rules":
			for n := range 1 + w.rng.IntN(5) {
				if n > 0 {
					b = append(b, ',')
				}
				b = w.fill(b, `{"id":"$hex","action":"block","expression":"(ip.src eq $ip and http.host eq \"$domain\")",`+
					`"description":"$words","enabled":true}`, f)
			}
		default:
			panic("auditlogstest: a template of the history has an unknown word: " + template[i:end])
		}
		i = end - 1
	}
	return b
}

func (w *writer) word() string { return words[w.rng.IntN(len(words))] }

func (w *writer) ip() string { return "192.0.2." + strconv.Itoa(1+w.rng.IntN(254)) }

// appendUUID makes a random UUID, of version 4.
func (w *writer) appendUUID(b []byte) []byte {
	hex := appendHex(appendHex(nil, w.rng.Uint64()), w.rng.Uint64())
	hex[12], hex[16] = '4', "89ab"[w.rng.IntN(4)]
	b = append(append(b, hex[:8]...), '-')
	b = append(append(b, hex[8:12]...), '-')
	b = append(append(b, hex[12:16]...), '-')
	b = append(append(b, hex[16:20]...), '-')
	return append(b, hex[20:]...)
}
