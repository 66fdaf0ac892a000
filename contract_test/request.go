package contract

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// CheckRequest holds a request that a client is about to send against the contract. It returns all
// that is wrong with it, and the values of its query, decoded.
func (c *Contract) CheckRequest(r *http.Request) (url.Values, error) {
	values, err := c.checkRequest(r)
	if c.heard != nil {
		c.heard(verdict{request: r, err: err})
	}
	return values, err
}

func (c *Contract) checkRequest(r *http.Request) (url.Values, error) {
	input, err := c.route(r)
	if err != nil {
		return nil, err
	}
	values, problems := checkQuery(r.URL.RawQuery, input.Route.Operation.Parameters)
	if r.URL.RawPath != "" {
		problems = append(problems, errors.New("path: holds escapes, and no path parameter needs any"))
	}
	if r.URL.User != nil || r.URL.Fragment != "" {
		problems = append(problems, errors.New("URL: holds a user or a fragment"))
	}
	if r.ContentLength != 0 {
		problems = append(problems, errors.New("request: has a body"))
	}
	// The validator reads the query once more, and must see what a server would see.
	if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
		problems = append(problems, flatten(err)...)
	}
	return values, errors.Join(problems...)
}

// queryText is what RFC 3986 allows in a query.
var queryText = regexp.MustCompile(`^(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*$`)

// parameterName shows names from which it can be seen what was meant. Other ones are values in the
// wrong place.
func parameterName(name string) string {
	if looksLikeName.MatchString(name) {
		return name
	}
	return shape(name)
}

var looksLikeName = regexp.MustCompile(`^[A-Za-z][A-Za-z_.]{0,60}(\[\])?$`)

// checkQuery finds what the validator overlooks: text that is no query, names that the contract
// does not know, and values too many. Every parameter of this API needs a value, an empty one never
// means anything.
func checkQuery(raw string, parameters openapi3.Parameters) (url.Values, []error) {
	values := url.Values{}
	if raw == "" {
		return values, nil
	}
	var problems []error
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		// A semicolon once separated parameters. Servers disagree about it, so that it has to be
		// escaped.
		if !queryText.MatchString(pair) || strings.Contains(pair, ";") {
			problems = append(problems, fmt.Errorf("parameter %q in query: holds characters or escapes that a query cannot hold",
				parameterName(name)))
			continue
		}
		name, err := url.QueryUnescape(name)
		if err != nil {
			problems = append(problems, fmt.Errorf("parameter in query: %w", err))
			continue
		}
		if value, err = url.QueryUnescape(value); err != nil {
			problems = append(problems, fmt.Errorf("parameter %q in query: %w", parameterName(name), err))
			continue
		}
		values.Add(name, value)
	}
	for name, given := range values {
		parameter := parameters.GetByInAndName(openapi3.ParameterInQuery, name)
		if parameter == nil {
			problems = append(problems,
				fmt.Errorf("parameter %q in query: not one that the contract knows", parameterName(name)))
			continue
		}
		if len(given) > 1 && !parameter.Schema.Value.Type.Is(openapi3.TypeArray) {
			problems = append(problems,
				fmt.Errorf("parameter %q in query: given %d times, and takes one value", name, len(given)))
		}
		for _, value := range given {
			if value == "" {
				problems = append(problems, fmt.Errorf("parameter %q in query: has an empty value", name))
				break
			}
		}
	}
	return values, problems
}
