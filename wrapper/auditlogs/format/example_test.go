package format_test

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"slices"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/format"
)

// An entry as a listing yields it.
func exampleEntry() *auditlogs.Entry {
	var e auditlogs.Entry
	text := `{"id":"1","action":{"time":"2024-10-30T08:00:00Z","type":"create"},"actor":{"email":"alice@example.com"},"resource":{"value":[1]}}`
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		log.Fatal(err)
	}
	return &e
}

func ExampleNew() {
	lines, err := format.New("ndjson", format.Options{})
	if err != nil {
		log.Fatal(err)
	}
	_, _ = os.Stdout.Write(lines.Entry(lines.Header(nil), exampleEntry()))
	// Output:
	// {"id":"1","action":{"time":"2024-10-30T08:00:00Z","type":"create"},"actor":{"email":"alice@example.com"},"resource":{"value":[1]}}
}

func ExampleColumns() {
	fmt.Println(format.Columns()[0], slices.Contains(format.Columns(), "actor.email"))
	// Output: action.time true
}
