package contract

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

const jsonType = "application/json"

// CheckResponse holds an answer to a request against the contract. The body is the one that was
// sent, or the same after inflation without the header Content-Encoding. The request itself is not
// checked: a refusal answers a wrong one.
func (c *Contract) CheckResponse(r *http.Request, status int, header http.Header, body []byte) error {
	err := c.checkResponse(r, status, header, body)
	if c.heard != nil {
		c.heard(verdict{request: r, answer: &answered{status, header, body}, err: err})
	}
	return err
}

func (c *Contract) checkResponse(r *http.Request, status int, header http.Header, body []byte) error {
	input, err := c.route(r)
	if err != nil {
		return err
	}
	body, err = Inflate(header, body)
	if err != nil {
		return fmt.Errorf("body: %w", err)
	}
	// The validator takes some statuses for good wherever they come from, so that this is asked
	// first.
	response := input.Route.Operation.Responses.Status(status)
	if response == nil {
		return fmt.Errorf("status %d: not one that the contract declares", status)
	}
	var problems []error
	kinds := header.Values("Content-Type")
	if len(kinds) != 1 {
		return fmt.Errorf("header Content-Type: given %d times", len(kinds))
	}
	kind, parameters, err := mime.ParseMediaType(kinds[0])
	if err != nil {
		return fmt.Errorf("header Content-Type: %w", err)
	}
	for name, value := range parameters {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			problems = append(problems, fmt.Errorf("header Content-Type: parameter %s is not charset=utf-8", name))
		}
	}
	if media := response.Value.Content.Get(kind); kind == jsonType && media != nil {
		problems = append(problems, checkJSON(body, media.Schema.Value)...)
	}
	// The body has been inflated, so that the header would lie to the validator.
	plain := header.Clone()
	plain.Del("Content-Encoding")
	err = openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input,
		Status:                 status,
		Header:                 plain,
		Body:                   io.NopCloser(bytes.NewReader(body)),
		Options:                settings(),
	})
	var failed *openapi3filter.ResponseError
	if errors.As(err, &failed) {
		reason := failed.Reason
		if failed.Err == nil {
			problems = append(problems, errors.New(reason))
		}
		for _, inner := range flatten(failed.Err) {
			problems = append(problems, fmt.Errorf("%s: %w", reason, inner))
		}
	} else if err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// Inflate undoes the compression that the header names. Bytes after the compressed stream are an
// error.
func Inflate(header http.Header, body []byte) ([]byte, error) {
	switch encoding := strings.Join(header.Values("Content-Encoding"), ","); encoding {
	case "":
		return body, nil
	case "gzip":
		reader, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(reader)
	default:
		return nil, fmt.Errorf("encoded as %q, and not as gzip", encoding)
	}
}

// checkJSON finds what the validator's decoder overlooks: bytes after the value, bytes that are not
// UTF-8, and repeated names, of which it sees the last one only.
func checkJSON(body []byte, schema *openapi3.Schema) []error {
	if !utf8.Valid(body) {
		return []error{errors.New("body: not UTF-8")}
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	var problems []error
	repeated := func(path string) { problems = append(problems, fmt.Errorf("body: %s is given twice", path)) }
	if err := walkNames(decoder, schema, "", repeated); err != nil {
		return []error{fmt.Errorf("body: not JSON: %w", err)}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		problems = append(problems, errors.New("body: has bytes after the JSON value"))
	}
	return problems
}

// walkNames reports each name that an object holds twice, except within values that the contract
// says nothing about: these are what people once sent to the service, and are kept as they were
// sent.
func walkNames(decoder *json.Decoder, schema *openapi3.Schema, path string, repeated func(path string)) error {
	token, err := decoder.Token()
	if err != nil {
		return wholeOrCut(err)
	}
	switch token {
	case json.Delim('{'):
		seen := map[string]bool{}
		for decoder.More() {
			name, err := decoder.Token()
			if err != nil {
				return wholeOrCut(err)
			}
			at := path + "/" + printableName(name.(string))
			if seen[name.(string)] && schema != nil {
				repeated(at)
			}
			seen[name.(string)] = true
			if err := walkNames(decoder, property(schema, name.(string)), at, repeated); err != nil {
				return err
			}
		}
	case json.Delim('['):
		var items *openapi3.Schema
		if schema != nil && schema.Items != nil {
			items = schema.Items.Value
		}
		for decoder.More() {
			if err := walkNames(decoder, items, path, repeated); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	_, err = decoder.Token()
	return wholeOrCut(err)
}

func wholeOrCut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// property returns the schema of an object's field; nil where there is none, or where it takes any
// value.
func property(schema *openapi3.Schema, name string) *openapi3.Schema {
	if schema == nil {
		return nil
	}
	field := schema.Properties[name]
	if field == nil || FreeForm(field.Value) {
		return nil
	}
	return field.Value
}

// openObject reports whether a schema takes an object with any fields, of which it names none.
func openObject(schema *openapi3.Schema) bool {
	return schema.Type.Is(openapi3.TypeObject) && len(schema.Properties) == 0 && schema.MaxProps == nil
}

// FreeForm reports whether a schema takes any JSON value.
func FreeForm(schema *openapi3.Schema) bool {
	return schema.Type == nil && len(schema.Properties) == 0 && len(schema.Enum) == 0 &&
		len(schema.AnyOf) == 0 && len(schema.OneOf) == 0 && len(schema.AllOf) == 0
}
