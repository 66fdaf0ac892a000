package contract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	failures "github.com/pb33f/libopenapi-validator/errors"

	"cfaudit.example/openapi"
)

// A SecondOpinion holds requests and responses against the contract by another validator,
// libopenapi-validator in strict mode, which shares no code with kin-openapi. What it says is a
// check of the first opinion, and not of the service.
type SecondOpinion struct{ validator validator.Validator }

// NewSecondOpinion reads the contract that is built into the module.
func NewSecondOpinion() (*SecondOpinion, error) {
	c, err := Load()
	if err != nil {
		return nil, err
	}
	doc, err := libopenapi.NewDocument(openapi.Contract)
	if err != nil {
		return nil, err
	}
	v, problems := validator.NewValidator(doc, config.WithStrictMode(), config.WithFormatAssertions(), config.WithStrictServerMatching(),
		config.WithRejectUndeclaredRequestBody(), config.WithStrictIgnorePaths(c.freeForm()...))
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return &SecondOpinion{v}, nil
}

// Request returns what is wrong with a request.
func (s *SecondOpinion) Request(r *http.Request) error {
	_, problems := s.validator.ValidateHttpRequestSync(r)
	return reasons(problems)
}

// Response returns what is wrong with an answer.
func (s *SecondOpinion) Response(r *http.Request, status int, header http.Header, body []byte) error {
	if inflated, err := Inflate(header, body); err == nil {
		body, header = inflated, header.Clone()
		header.Del("Content-Encoding")
	}
	_, problems := s.validator.ValidateHttpResponse(r, &http.Response{
		StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	})
	return reasons(problems)
}

func reasons(problems []*failures.ValidationError) error {
	var all []error
	for _, p := range problems {
		all = append(all, fmt.Errorf("%s: %s", p.Message, p.Reason))
		for _, s := range p.SchemaValidationErrors {
			all = append(all, fmt.Errorf("%s: %s", s.FieldPath, s.Reason))
		}
	}
	return errors.Join(all...)
}

// freeForm lists, as patterns, the places in answers in which the contract takes any value, or an
// object with any fields.
func (c *Contract) freeForm() []string {
	var places []string
	var walk func(schema *openapi3.Schema, path string)
	walk = func(schema *openapi3.Schema, path string) {
		if FreeForm(schema) || openObject(schema) {
			places = append(places, path+".**", path+"[*].**")
			return
		}
		for name, field := range schema.Properties {
			walk(field.Value, path+"."+name)
		}
		if schema.Items != nil {
			walk(schema.Items.Value, path+"[*]")
		}
	}
	for _, item := range c.Doc.Paths.Map() {
		for _, operation := range item.Operations() {
			for _, response := range operation.Responses.Map() {
				if media := response.Value.Content.Get(jsonType); media != nil {
					walk(media.Schema.Value, "$.body")
				}
			}
		}
	}
	slices.Sort(places)
	return slices.Compact(places)
}
