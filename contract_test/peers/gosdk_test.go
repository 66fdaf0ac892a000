package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/cloudflare-go/v7"
	"github.com/cloudflare/cloudflare-go/v7/accounts"
	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/organizations"
)

var bg = context.Background()

// goClient is the official Go SDK, as it is. What it asks is also validated against the contract.
func goClient(t *testing.T, base string) (client *cloudflare.Client, asked func() []*http.Request) {
	t.Helper()
	c := mustLoad(t, base)
	var requests []*http.Request
	watch := func(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		requests = append(requests, r)
		response, err := next(r)
		if err == nil {
			if _, wrong := c.CheckRequest(r); (wrong != nil) != (response.StatusCode == http.StatusBadRequest) && !upsideDown(r) {
				t.Errorf("%s: status %d, and the contract says: %v", r.URL, response.StatusCode, wrong)
			}
		}
		return response, err
	}
	client = cloudflare.NewClient(option.WithBaseURL(base+"/"), option.WithAPIToken("any"), option.WithMaxRetries(0), option.WithMiddleware(watch))
	return client, func() []*http.Request { return requests }
}

// upsideDown reports whether a window ends where it starts, which the contract has no words for.
func upsideDown(r *http.Request) bool {
	return r.URL.Query().Get("since") == r.URL.Query().Get("before")
}

// A goListing is a listing of the Go SDK, whatever its types.
type goListing struct {
	path string
	// params is a pointer to the parameters of one page with all entries.
	params func() any
	page   func(client *cloudflare.Client, params any) (rows []any, err error)
	all    func(client *cloudflare.Client, params any) (rows int, err error)
}

var goListings = []goListing{
	{
		path: accountPath,
		params: func() any {
			return &accounts.LogAuditListParams{AccountID: cloudflare.F(account), Since: cloudflare.F(since), Before: cloudflare.F(before),
				Direction: cloudflare.F(accounts.LogAuditListParamsDirectionAsc), Limit: cloudflare.F(1000.0)}
		},
		page: func(client *cloudflare.Client, params any) ([]any, error) {
			page, err := client.Accounts.Logs.Audit.List(bg, *params.(*accounts.LogAuditListParams))
			if err != nil {
				return nil, err
			}
			return anys(page.Result), nil
		},
		all: func(client *cloudflare.Client, params any) (n int, err error) {
			pager := client.Accounts.Logs.Audit.ListAutoPaging(bg, *params.(*accounts.LogAuditListParams))
			for pager.Next() {
				n++
			}
			return n, pager.Err()
		},
	},
	{
		path: organizationPath,
		params: func() any {
			return &organizations.LogAuditListParams{Since: cloudflare.F(since), Before: cloudflare.F(before),
				Direction: cloudflare.F(organizations.LogAuditListParamsDirectionAsc), Limit: cloudflare.F(1000.0)}
		},
		page: func(client *cloudflare.Client, params any) ([]any, error) {
			page, err := client.Organizations.Logs.Audit.List(bg, organization, *params.(*organizations.LogAuditListParams))
			if err != nil {
				return nil, err
			}
			return anys(page.Result), nil
		},
		all: func(client *cloudflare.Client, params any) (n int, err error) {
			pager := client.Organizations.Logs.Audit.ListAutoPaging(bg, organization, *params.(*organizations.LogAuditListParams))
			for pager.Next() {
				n++
			}
			return n, pager.Err()
		},
	},
}

func anys[T any](list []T) (out []any) {
	for _, item := range list {
		out = append(out, item)
	}
	return out
}

// TestGoSDK lists with each filter that the SDK knows, and compares the entries field by field.
func TestGoSDK(t *testing.T) {
	base := serve(t)
	for _, listing := range goListings {
		knows := newKnowledge(t, base, listing.path)
		if knows.rows == nil {
			continue // The contract does not have this operation.
		}
		t.Run(listing.path, func(t *testing.T) {
			client, asked := goClient(t, base)
			rows, err := listing.page(client, listing.params())
			if err != nil || len(rows) != size {
				t.Fatalf("%d entries, want %d: %v", len(rows), size, err)
			}
			for i, r := range rows {
				for _, difference := range differences("", reflect.ValueOf(r), knows.rows[i]) {
					t.Errorf("entry %d: %s", i, difference)
				}
			}
			filters := 0
			for _, name := range goFilters(listing.params()) {
				filters++
				t.Run(name, func(t *testing.T) {
					values, want, known := knows.filter(t, name)
					params := listing.params()
					setGoFilter(t, params, name, values)
					rows, err := listing.page(client, params)
					if !known {
						if err == nil {
							t.Error("the contract does not know the filter, and the fake does")
						}
						return
					}
					var got []string
					for _, r := range rows {
						got = append(got, reflect.ValueOf(r).FieldByName("ID").String())
					}
					if err != nil || !sameIDs(got, want) {
						t.Errorf("with %q: %d entries, want %d: %v", values, len(got), len(want), err)
					}
				})
			}
			if filters < 15 {
				t.Errorf("only %d filters were found", filters)
			}

			t.Run("as found: no second page", func(t *testing.T) {
				params := listing.params()
				reflect.ValueOf(params).Elem().FieldByName("Limit").Set(reflect.ValueOf(cloudflare.F(100.0)))
				if n, err := listing.all(client, params); n != 100 || err != nil {
					t.Errorf("%d of %d entries, and error %v. The SDK used to stop after the 100 entries of the first page, without an "+
						"error: it read the cursor where the service does not put it", n, size, err)
				}
			})
			t.Run("as found: minutes are lost", func(t *testing.T) {
				params := listing.params()
				noon := since.Add(12 * time.Hour)
				setTime(params, "Since", noon)
				setTime(params, "Before", noon.Add(5*time.Minute))
				rows, err := listing.page(client, params)
				requests := asked()
				query := requests[len(requests)-1].URL.Query()
				if day := since.Format(time.DateOnly); query.Get("since") != day || query.Get("before") != day || len(rows) != 0 || err == nil {
					t.Errorf("sent %v, and got %d entries and error %v. The SDK used to send both ends of the window as a date, which leaves "+
						"nothing of five minutes", query, len(rows), err)
				}
			})
		})
	}
}

// goCalls are what the Go SDK has beside the listings, by path.
var goCalls = map[string]func(client *cloudflare.Client, about row) ([]any, error){
	accountPath + "/{id}/history": func(client *cloudflare.Client, about row) ([]any, error) {
		rows, err := client.Accounts.Logs.Audit.History(bg, about["id"].(string), accounts.LogAuditHistoryParams{
			AccountID: cloudflare.F(account), ActionTime: cloudflare.F(timeOf(about)), Since: cloudflare.F(since), Before: cloudflare.F(before),
		})
		if err != nil {
			return nil, err
		}
		return anys(*rows), nil
	},
	organizationPath + "/{id}/history": func(client *cloudflare.Client, about row) ([]any, error) {
		rows, err := client.Organizations.Logs.Audit.History(bg, organization, about["id"].(string), organizations.LogAuditHistoryParams{
			ActionTime: cloudflare.F(timeOf(about)), Since: cloudflare.F(since), Before: cloudflare.F(before),
		})
		if err != nil {
			return nil, err
		}
		return anys(*rows), nil
	},
	accountPath + "/product_categories": func(client *cloudflare.Client, _ row) ([]any, error) {
		page, err := client.Accounts.Logs.Audit.ProductCategories(bg, accounts.LogAuditProductCategoriesParams{AccountID: cloudflare.F(account)})
		if err != nil {
			return nil, err
		}
		return anys(page.Result), nil
	},
}

// TestGoSDKBeyondListings compares what the SDK makes of the other operations with what the fake
// answers.
func TestGoSDKBeyondListings(t *testing.T) {
	base := serve(t)
	client, _ := goClient(t, base)
	c := mustLoad(t, base)
	about := allRows(t)[accountPath][size/2]
	for path, address := range operations(c, about) {
		if path == accountPath || path == organizationPath {
			continue
		}
		t.Run(path, func(t *testing.T) {
			ask := goCalls[path]
			if ask == nil {
				t.Fatal("nobody asks the SDK for this operation of the contract")
			}
			var answer struct{ Result []any }
			get(t, base+address, http.StatusOK, &answer)
			rows, err := ask(client, about)
			if err != nil || len(rows) != len(answer.Result) || len(rows) == 0 {
				t.Fatalf("%d rows, want %d: %v", len(rows), len(answer.Result), err)
			}
			for i, r := range rows {
				for _, difference := range differences("", reflect.ValueOf(r), answer.Result[i]) {
					t.Errorf("row %d: %s", i, difference)
				}
			}
		})
	}
}

// goFilters are the filters that a struct of parameters has, by their names on the wire.
func goFilters(params any) (names []string) {
	t := reflect.TypeOf(params).Elem()
	for field := range t.Fields() {
		name := field.Tag.Get("query")
		value, ok := field.Type.FieldByName("Value")
		if name == "" || !ok {
			continue
		}
		switch value.Type.Kind() {
		case reflect.Slice:
			names = append(names, name)
		case reflect.Struct:
			if _, has := value.Type.FieldByName("Not"); has {
				names = append(names, name+".not")
			}
		}
	}
	return names
}

func setGoFilter(t *testing.T, params any, name string, values []string) {
	t.Helper()
	bare, not := strings.CutSuffix(name, ".not")
	structure := reflect.ValueOf(params).Elem()
	for field := range structure.Type().Fields() {
		if field.Tag.Get("query") != bare {
			continue
		}
		target := structure.FieldByIndex(field.Index)
		target.FieldByName("Present").SetBool(true)
		if not {
			target = target.FieldByName("Value").FieldByName("Not")
			target.FieldByName("Present").SetBool(true)
		}
		list := target.FieldByName("Value")
		for _, value := range values {
			item := reflect.New(list.Type().Elem()).Elem()
			if item.Kind() == reflect.Int64 {
				number, err := strconv.ParseInt(value, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				item.SetInt(number)
			} else {
				item.SetString(value)
			}
			list.Set(reflect.Append(list, item))
		}
	}
}

func setTime(params any, name string, at time.Time) {
	reflect.ValueOf(params).Elem().FieldByName(name).Set(reflect.ValueOf(cloudflare.F(at)))
}

// differences compares what an SDK made of a value with the value.
func differences(path string, got reflect.Value, want any) (out []string) {
	differs := func(shown any) []string { return []string{fmt.Sprintf("%s is %v, want %v", path, shown, want)} }
	if at, ok := got.Interface().(time.Time); ok {
		text, _ := want.(string)
		if parsed, err := time.Parse(time.RFC3339, text); text != "" && (err != nil || !at.Equal(parsed)) {
			return differs(at)
		}
		return nil
	}
	switch got.Kind() {
	case reflect.Struct:
		object, _ := want.(row)
		for field := range got.Type().Fields() {
			if name := field.Tag.Get("json"); name != "" && name != "-" {
				out = append(out, differences(path+"."+name, got.FieldByIndex(field.Index), object[name])...)
			}
		}
	case reflect.Slice:
		list, _ := want.([]any)
		if got.Len() != len(list) {
			return differs(got.Interface())
		}
		for i := range list {
			out = append(out, differences(fmt.Sprintf("%s[%d]", path, i), got.Index(i), list[i])...)
		}
	default:
		// Absent, null and zero are one to an SDK's structs.
		value := got.Interface()
		if want == nil && got.IsZero() {
			return nil
		}
		if asJSON(value) != asJSON(want) {
			return differs(value)
		}
	}
	return out
}

func asJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
