package detail_test

import (
	"encoding/json"
	"fmt"
	"log"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/detail"
)

func ExampleOf() {
	var e auditlogs.Entry
	if err := json.Unmarshal([]byte(`{"id":"1","action":{"description":"Delete record","result":"failure"},"actor":{"email":"alice@example.com"},
		"raw":{"status_code":403},"resource":{"request":{}}}`), &e); err != nil {
		log.Fatal(err)
	}
	page := detail.Of(&e)
	for _, row := range page.Rows {
		fmt.Println(row.Label+":", row.Text(false))
	}
	for _, body := range page.Bodies {
		fmt.Println(body.Path, string(body.Raw))
	}
	// Output:
	// Action: Delete record
	// Result: failure, status code 403
	// Actor: alice@example.com
	// Entry: 1
	// resource.request {}
}

func ExampleCompare() {
	var before, after auditlogs.Entry
	for text, e := range map[string]*auditlogs.Entry{
		`{"resource":{"request":{"value":"strict","ttl":60}}}`: &before,
		`{"resource":{"request":{"value":"off"}}}`:             &after,
	} {
		if err := json.Unmarshal([]byte(text), e); err != nil {
			log.Fatal(err)
		}
	}
	for _, change := range detail.Compare(&before, &after) {
		fmt.Printf("%s: %q to %q\n", change.Path, change.Before, change.After)
	}
	// Output:
	// resource.request.ttl: "60" to ""
	// resource.request.value: "\"strict\"" to "\"off\""
}
