package auditlogstest_test

import (
	"encoding/json"
	"fmt"
	"net/http"

	"cfaudit.example/wrapper/auditlogstest"
)

func ExampleNewServer() {
	server := auditlogstest.NewServer()
	defer server.Close()
	server.Add(
		`{"id":"1","action":{"time":"2024-10-30T12:00:00Z"},"actor":{"email":"alice@example.com"}}`,
		`{"id":"2","action":{"time":"2024-10-30T13:00:00Z"},"actor":{"email":"bob@example.com"}}`,
	)

	address := server.URL + "/accounts/" + auditlogstest.AccountID +
		"/logs/audit?since=2024-10-30&before=2024-10-31&actor_email=bob@example.com"
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	request.Header.Set("Authorization", "Bearer any-token")
	response, err := server.Client().Do(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	var page struct {
		Result []json.RawMessage `json:"result"`
	}
	if err := json.NewDecoder(response.Body).Decode(&page); err != nil {
		fmt.Println(err)
		return
	}
	for _, entry := range page.Result {
		fmt.Println(string(entry))
	}
	// Output: {"id":"2","action":{"time":"2024-10-30T13:00:00Z"},"actor":{"email":"bob@example.com"}}
}
