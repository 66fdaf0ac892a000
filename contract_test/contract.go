package contract

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"cfaudit.example/openapi"
)

// A Contract is the OpenAPI document, ready to check requests and responses against it.
type Contract struct {
	Doc    *openapi3.T
	router routers.Router
	// heard, if it is set, receives each verdict: tests ask for a second opinion.
	heard func(verdict)
}

// A verdict is what was said of a request, or of an answer to it.
type verdict struct {
	request *http.Request
	answer  *answered // nil where the request itself was judged
	err     error
}

type answered struct {
	status int
	header http.Header
	body   []byte
}

// Load reads the contract that is built into the module. Base URLs, if given, replace the
// document's servers, so that a server on loopback, or none at all, can replace the service.
func Load(servers ...string) (*Contract, error) { return load(openapi.Contract, nil, servers) }

// LoadClosed reads a copy of the contract in which nothing is left open: objects have no further
// fields, and fields have no values beyond the listed ones. What the copy refuses and the contract
// accepts is news, and not an error.
func LoadClosed(servers ...string) (*Contract, error) {
	return load(openapi.Contract, closeSchemas, servers)
}

func load(document []byte, change func(*openapi3.T) error, servers []string) (*Contract, error) {
	registerHTML()
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	if err := doc.WalkSchemas(takeNull); err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	if change != nil {
		if err := change(doc); err != nil {
			return nil, fmt.Errorf("contract: %w", err)
		}
	}
	if len(servers) > 0 {
		doc.Servers = nil
		for _, server := range servers {
			doc.AddServer(&openapi3.Server{URL: strings.TrimRight(server, "/")})
		}
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	return &Contract{Doc: doc, router: router}, nil
}

// takeNull lets null be a value of schemas that take any. OpenAPI says so where there is no type,
// and does not allow to write "nullable" there; the validator wants it written.
func takeNull(_ string, ref *openapi3.SchemaRef) error {
	if FreeForm(ref.Value) {
		ref.Value.Nullable = true
	}
	return nil
}

// registerHTML makes the validator take HTML for what it is, a text. Its table of decoders is
// global.
var registerHTML = sync.OnceFunc(func() {
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder)
})

// Operation returns the operation with the given ID; nil where there is none.
func (c *Contract) Operation(id string) *openapi3.Operation {
	for _, item := range c.Doc.Paths.Map() {
		for _, operation := range item.Operations() {
			if operation.OperationID == id {
				return operation
			}
		}
	}
	return nil
}

// ResponseSchema returns the schema of an operation's JSON answer with the given status.
func (c *Contract) ResponseSchema(operationID string, status int) (*openapi3.Schema, error) {
	operation := c.Operation(operationID)
	if operation == nil {
		return nil, fmt.Errorf("contract: no operation %s", operationID)
	}
	response := operation.Responses.Status(status)
	if response == nil {
		return nil, fmt.Errorf("contract: %s declares no status %d", operationID, status)
	}
	media := response.Value.Content.Get(jsonType)
	if media == nil || media.Schema == nil {
		return nil, fmt.Errorf("contract: %s answers status %d without JSON", operationID, status)
	}
	return media.Schema.Value, nil
}

// settings are the validator's for both requests and responses.
func settings() *openapi3filter.Options {
	options := &openapi3filter.Options{
		MultiError:                        true,
		IncludeResponseStatus:             true,
		RejectWhenRequestBodyNotSpecified: true,
		// Otherwise the validator writes defaults into the URL of the request that it was asked to
		// check.
		SkipSettingDefaults: true,
		AuthenticationFunc:  authenticate,
		SchemaValidationOptions: []openapi3.SchemaValidationOption{
			openapi3.WithStringFormatValidator("date", openapi3.NewCallbackValidator(checkDate)),
			openapi3.WithStringFormatValidator("date-time", openapi3.NewCallbackValidator(checkDateTime)),
			openapi3.WithStringFormatValidator("ipv4", openapi3.NewCallbackValidator(checkAddress(netip.Addr.Is4))),
			openapi3.WithStringFormatValidator("ipv6", openapi3.NewCallbackValidator(checkAddress(netip.Addr.Is6))),
		},
	}
	options.WithCustomSchemaErrorFunc(schemaReason)
	return options
}

// schemaReason says where and why a value does not match, and leaves out the value and the schema.
func schemaReason(err *openapi3.SchemaError) string {
	reason := err.Reason
	if reason == "" {
		reason = fmt.Sprintf("does not match %q", err.SchemaField)
	}
	if path := err.JSONPointer(); len(path) > 0 {
		return "/" + strings.Join(path, "/") + ": " + reason
	}
	return reason
}

// bearer is a token as RFC 6750 writes it.
var bearer = regexp.MustCompile(`^[Bb][Ee][Aa][Rr][Ee][Rr] [A-Za-z0-9._~+/-]+=*$`)

func authenticate(_ context.Context, input *openapi3filter.AuthenticationInput) error {
	scheme := input.SecurityScheme
	if scheme.Type != "http" || !strings.EqualFold(scheme.Scheme, "bearer") {
		return fmt.Errorf("security scheme %s is not one that this check knows", input.SecuritySchemeName)
	}
	switch given := input.RequestValidationInput.Request.Header.Values("Authorization"); {
	case len(given) == 0:
		return errors.New("header Authorization is missing")
	case len(given) > 1:
		return fmt.Errorf("header Authorization is given %d times", len(given))
	case !bearer.MatchString(given[0]):
		return errors.New("header Authorization does not hold a bearer token")
	}
	return nil
}

// dateTime is RFC 3339 without the lower-case letters and spaces that it also allows, and no reader
// needs to know.
var dateTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)

func checkDate(value string) error {
	if _, err := time.Parse(time.DateOnly, value); err != nil {
		return errors.New("not a date of the calendar, such as 2024-10-31")
	}
	return nil
}

func checkDateTime(value string) error {
	if _, err := time.Parse(time.RFC3339, value); err != nil || !dateTime.MatchString(value) {
		return errors.New("not an RFC 3339 time, such as 2024-10-31T08:30:00Z")
	}
	return nil
}

func checkAddress(ofVersion func(netip.Addr) bool) func(string) error {
	return func(value string) error {
		if address, err := netip.ParseAddr(value); err != nil || !ofVersion(address) || address.Zone() != "" {
			return errors.New("not an address, such as 198.51.100.7 or 2001:db8::7")
		}
		return nil
	}
}

// flatten flattens the validator's nested lists of errors, and sorts them, so that the same fault
// always has the same text.
func flatten(err error) []error {
	var list openapi3.MultiError
	if err == nil {
		return nil
	}
	if direct, ok := err.(openapi3.MultiError); ok {
		list = direct
	} else {
		return []error{err}
	}
	var out []error
	for _, inner := range list {
		out = append(out, flatten(inner)...)
	}
	slices.SortFunc(out, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return out
}

// route finds the operation that a request is for.
func (c *Contract) route(r *http.Request) (*openapi3filter.RequestValidationInput, error) {
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		return nil, fmt.Errorf("%s %s: no operation of the contract: %w", r.Method, r.URL.Path, err)
	}
	return &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: settings()}, nil
}
