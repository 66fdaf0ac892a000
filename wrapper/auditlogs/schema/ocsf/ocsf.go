// Package ocsf writes entries as events of the Open Cybersecurity Schema Framework, version 1.8.0:
// sign-ins as Authentication (3002), and all others as API Activity (6003), both with the profile
// cloud.
//
// Every entry becomes a valid event, and every value of the entry is in it: in an attribute of the
// schema or, under the name that it has in the entry, in unmapped. The README of the folder above
// says how, and shows the table of fields.
package ocsf

import (
	"bytes"
	"strconv"
	"strings"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/schema"
	"cfaudit.example/wrapper/auditlogs/schema/internal/mapping"
)

// Version is the version of the schema.
const Version = "1.8.0"

// Options say what an event contains. The zero Options are for an event with everything.
type Options struct {
	// OmitRawData leaves out raw_data, the entry's bytes.
	OmitRawData bool
}

// Append appends an entry as an event, which is a JSON object on one line without a line break.
func Append(b []byte, e *auditlogs.Entry, o Options) []byte {
	return events.Append(b, e, o.OmitRawData)
}

// Visit shows a visitor an entry as an event: what [Append] writes, in its order.
func Visit(e *auditlogs.Entry, o Options, v schema.Visitor) { events.Visit(e, o.OmitRawData, v) }

var events = mapping.Schema{Layout: layout, Finish: finish, Original: layout.Slot("raw_data")}

var layout = mapping.New(mapping.Config{
	Own:     "unmapped",
	Targets: func(f *auditlogsapi.Field) []string { return f.OCSF },
	Paths: []string{
		"time", "class_uid", "class_name", "category_uid", "category_name", "activity_id", "activity_name", "type_uid", "type_name",
		"severity_id", "severity", "message", "status_id", "status", "status_code",
		"metadata.version", "metadata.product.name", "metadata.product.vendor_name", "metadata.profiles", "metadata.uid",
		"metadata.original_time", "metadata.log_name", "metadata.debug",
		"cloud.provider", "cloud.account.uid", "cloud.account.name", "cloud.org.uid",
		"actor.user.uid", "actor.user.name", "actor.user.email_addr", "actor.user.type_id", "actor.user.type",
		"actor.user.programmatic_credentials[0].uid", "actor.app_name",
		"user.uid", "user.name", "user.email_addr", "service.name",
		"src_endpoint.ip", "src_endpoint.name",
		"api.operation", "api.service.name", "api.request.uid", "api.request.data", "api.response.code", "api.response.data",
		"http_request.uid", "http_request.http_method", "http_request.url.url_string", "http_request.url.path", "http_request.user_agent",
		"resources[0].uid", "resources[0].type", "resources[0].data", "resources[1].uid", "resources[1].name", "resources[1].type",
		mapping.Own, "raw_data",
	},
	Constants: map[string]string{
		"severity": "Informational", "metadata.version": Version, "metadata.product.name": "Audit Logs", "metadata.product.vendor_name": "Cloudflare",
		"metadata.log_name": "audit_logs_v2", "cloud.provider": "Cloudflare",
	},
	Derived: []string{
		"class_uid", "activity_id", "activity_name", "type_uid", "status_id", "status", "actor.user.type_id", "actor.user.type",
		"user.uid", "user.name", "user.email_addr", "service.name",
	},
	Conversions: map[string]mapping.Conversion{
		"time":                     timestamp,
		"actor.user.email_addr":    email,
		"src_endpoint.ip":          mapping.Address,
		"src_endpoint.name":        name,
		"api.request.data":         mapping.JSON,
		"api.response.data":        mapping.JSON,
		"api.response.code":        mapping.Integer,
		"http_request.http_method": method,
		"http_request.url.path":    path,
		"resources[0].data":        mapping.JSON,
	},
})

// A caption is one value of the schema's enumerations, as its number and its name.
type caption struct{ id, name schema.Value }

func captioned(id int64, name string) caption { return caption{integer(id), mapping.Constant(name)} }

func integer(n int64) schema.Value {
	return schema.Literal(schema.KindInteger, strconv.AppendInt(nil, n, 10))
}

// Those that every enumeration has.
var unknown, other = captioned(0, "Unknown"), captioned(99, "Other")

var (
	statuses  = map[string]caption{"success": captioned(1, "Success"), "failure": captioned(2, "Failure")}
	userTypes = map[string]caption{
		"user": captioned(1, "User"), "cloudflare_admin": captioned(2, "Admin"), "system": captioned(3, "System"), "delegated_service": captioned(4, "Service"),
	}
)

// A class is a kind of events.
type class struct {
	class, category caption
	activities      map[string]activity // by the entry's action
	other, unknown  activity            // for an action that is none of these, and for none
}

// An activity is what happened in an event of a class, and the type of the event that this makes.
type activity struct{ is, kind caption }

func newClass(uid int64, name string, category caption, activities map[string]caption) *class {
	c := &class{class: captioned(uid, name), category: category, activities: map[string]activity{}}
	typed := func(is caption) activity {
		return activity{is, captioned(uid*100+is.id.Int(), name+": "+is.name.Text())}
	}
	for action, is := range activities {
		c.activities[action] = typed(is)
	}
	c.other, c.unknown = typed(other), typed(unknown)
	return c
}

var (
	apiActivity = newClass(6003, "API Activity", captioned(6, "Application Activity"), map[string]caption{
		"create": captioned(1, "Create"), "view": captioned(2, "Read"), "update": captioned(3, "Update"), "delete": captioned(4, "Delete"),
	})
	authentication = newClass(3002, "Authentication", captioned(3, "Identity & Access Management"), map[string]caption{
		"login": captioned(1, "Logon"), "logout": captioned(2, "Logoff"),
	})
)

var (
	at                          = layout.Slot("time")
	classUID, className         = layout.Slot("class_uid"), layout.Slot("class_name")
	categoryUID, categoryName   = layout.Slot("category_uid"), layout.Slot("category_name")
	activityID, activityName    = layout.Slot("activity_id"), layout.Slot("activity_name")
	typeUID, typeName           = layout.Slot("type_uid"), layout.Slot("type_name")
	severityID                  = layout.Slot("severity_id")
	statusID, status            = layout.Slot("status_id"), layout.Slot("status")
	profiles, uid, debug        = layout.Slot("metadata.profiles"), layout.Slot("metadata.uid"), layout.Slot("metadata.debug")
	actorUID, actorName         = layout.Slot("actor.user.uid"), layout.Slot("actor.user.name")
	actorEmail, apiService      = layout.Slot("actor.user.email_addr"), layout.Slot("api.service.name")
	actorTypeID, actorTypeName  = layout.Slot("actor.user.type_id"), layout.Slot("actor.user.type")
	userUID, userName           = layout.Slot("user.uid"), layout.Slot("user.name")
	userEmail, serviceName      = layout.Slot("user.email_addr"), layout.Slot("service.name")
	sourceIP, sourceName        = layout.Slot("src_endpoint.ip"), layout.Slot("src_endpoint.name")
	operation                   = layout.Slot("api.operation")
	requestUID, requestData     = layout.Slot("api.request.uid"), layout.Slot("api.request.data")
	resourceUID, resourceType   = layout.Slot("resources[0].uid"), layout.Slot("resources[0].type")
	resourceData                = layout.Slot("resources[0].data")
	zoneUID, zoneName, zoneType = layout.Slot("resources[1].uid"), layout.Slot("resources[1].name"), layout.Slot("resources[1].type")

	actionType, actionResult = layout.Field("action.type"), layout.Field("action.result")
	actorType                = layout.Field("actor.type")
	fieldRequest             = layout.Field("resource.request")
	fieldID                  = layout.Field("resource.id")
	fieldZoneID              = layout.Field("zone.id")
	fieldZoneName            = layout.Field("zone.name")
	fieldType, fieldValue    = layout.Field("resource.type"), layout.Field("resource.value")
)

// Values that are the same in every event that has them.
var (
	nobody        = mapping.Constant("unknown") // for what the schema requires and the entry does not say
	cloudflare    = mapping.Constant("Cloudflare")
	zone          = mapping.Constant("zone")
	informational = integer(1)
	cloud         = schema.Texts([]schema.Value{mapping.Constant("cloud")})
)

func finish(m *mapping.Mapping) {
	m.Set(severityID, informational)
	m.Set(profiles, cloud)
	isSignIn := classify(m)
	set(m, statuses, actionResult, statusID, status)
	set(m, userTypes, actorType, actorTypeID, actorTypeName)
	required(m)
	// What has its place only beside what names it.
	if !m.Has(requestUID) {
		m.Withdraw(requestData, fieldRequest)
	}
	if isSignIn {
		m.Withdraw(resourceUID, fieldID)
		m.Withdraw(zoneUID, fieldZoneID)
		m.Withdraw(zoneName, fieldZoneName)
	}
	if !m.Has(resourceUID) {
		m.Withdraw(resourceType, fieldType)
		m.Withdraw(resourceData, fieldValue)
	}
	if m.Has(zoneUID) || m.Has(zoneName) {
		m.Set(zoneType, zone)
	}
}

// classify decides about the class by the action.
func classify(m *mapping.Mapping) (isSignIn bool) {
	action := m.Field(actionType)
	verb, _ := mapping.Plain(action)
	is := apiActivity
	if _, isSignIn = authentication.activities[string(verb)]; isSignIn {
		is = authentication
	}
	m.Set(classUID, is.class.id)
	m.Set(className, is.class.name)
	m.Set(categoryUID, is.category.id)
	m.Set(categoryName, is.category.name)
	activity, ok := is.activities[string(verb)]
	switch {
	case ok:
	case mapping.IsText(action):
		activity = is.other
		activity.is.name = schema.Literal(schema.KindText, action)
	default:
		activity = is.unknown
	}
	m.Set(activityID, activity.is.id)
	m.Set(activityName, activity.is.name)
	m.Set(typeUID, activity.kind.id)
	m.Set(typeName, activity.kind.name)
	if !isSignIn {
		return false
	}
	m.Copy(userUID, actorUID)
	m.Copy(userName, actorName)
	m.Copy(userEmail, actorEmail)
	m.Copy(serviceName, apiService)
	if !m.Has(userUID) && !m.Has(userName) {
		m.Set(userName, nobody)
	}
	if !m.Has(serviceName) {
		m.Set(serviceName, cloudflare)
	}
	return true
}

// set gives an enumeration and its name the value that stands for a field.
func set(m *mapping.Mapping, values map[string]caption, field, id, name int) {
	value := m.Field(field)
	verb, _ := mapping.Plain(value)
	is, ok := values[string(verb)]
	switch {
	case ok:
	case mapping.IsText(value):
		is = caption{other.id, schema.Literal(schema.KindText, value)}
	default:
		is = unknown
	}
	m.Set(id, is.id)
	m.Set(name, is.name)
}

// required fills what every event must have.
func required(m *mapping.Mapping) {
	if problems := m.Problems(); problems != "" {
		m.AddText(debug, problems)
	}
	if !m.Has(at) {
		m.SetInt(at, 0)
		m.Add(debug, noTime)
	}
	if !m.Has(uid) {
		m.SetDigest(uid)
	}
	if !m.Has(operation) {
		m.Set(operation, nobody)
	}
	if !m.Has(sourceIP) && !m.Has(sourceName) {
		m.Set(sourceName, nobody)
	}
	if !m.Has(actorUID) && !m.Has(actorName) {
		m.Set(actorName, nobody)
	}
}

var noTime = schema.Text([]byte("the entry has no time that can be read, for which time is 0"))

func timestamp(m *mapping.Mapping, slot int, value []byte) bool {
	if t, ok := m.Time(value); ok {
		m.SetInt(slot, t.UnixMilli())
	}
	return false // It tells no more than milliseconds.
}

// name takes an address that is none.
func name(m *mapping.Mapping, slot int, value []byte) bool {
	return !m.IsAddress(value) && mapping.Text(m, slot, value)
}

// method takes the methods that the schema knows.
func method(m *mapping.Mapping, slot int, value []byte) bool {
	switch string(value) {
	case `"CONNECT"`, `"DELETE"`, `"GET"`, `"HEAD"`, `"OPTIONS"`, `"PATCH"`, `"POST"`, `"PUT"`, `"TRACE"`:
		return mapping.Text(m, slot, value)
	}
	return false
}

// path takes the path of a URI that starts with one.
func path(m *mapping.Mapping, slot int, value []byte) bool {
	text, ok := mapping.Plain(value)
	if !ok || text[0] != '/' {
		return false
	}
	before, _, _ := bytes.Cut(text, []byte{'?'})
	m.Set(slot, schema.Text(before))
	return false
}

// email takes what the schema takes for an email address.
func email(m *mapping.Mapping, slot int, value []byte) bool {
	text, ok := mapping.Plain(value)
	if !ok {
		return false
	}
	user, domain, ok := bytes.Cut(text, []byte{'@'})
	host, rest, dotted := bytes.Cut(domain, []byte{'.'})
	if !ok || !dotted || !consists(user, "!#$%&'*+,-./=?^_`{|}~") || !consists(host, "-") || !consists(rest, "-.") {
		return false
	}
	return mapping.Text(m, slot, value)
}

// consists reports whether a text is not empty and has only letters, digits and some other
// characters.
func consists(text []byte, others string) bool {
	for _, c := range text {
		isLetter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !isLetter && (c < '0' || c > '9') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return len(text) > 0
}
