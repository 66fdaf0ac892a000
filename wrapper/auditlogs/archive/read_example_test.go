package archive_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/archive"
)

func ExampleOpen() {
	// A file as "cfaudit list", "cfaudit export" or "cfaudit follow" writes it.
	folder, err := os.MkdirTemp("", "archive")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	lines := `{"id":"1","action":{"time":"2026-10-01T10:00:00Z","type":"create"},"actor":{"email":"alice@example.com"}}
{"id":"2","action":{"time":"2026-10-01T11:00:00Z","type":"delete"},"actor":{"email":"bob@example.com"}}
`
	if err := os.WriteFile(filepath.Join(folder, "october.ndjson"), []byte(lines), 0o600); err != nil {
		log.Fatal(err)
	}

	kept, err := archive.Open(folder)
	if err != nil {
		log.Fatal(err)
	}
	query := auditlogs.Query{Since: "2026-10-01", Before: "2026-11-01", ActionType: []string{"delete"}}
	for entry, err := range kept.Entries(context.Background(), query) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(entry.Action.Time, entry.Actor.Email)
	}
	// Output:
	// 2026-10-01 11:00:00 +0000 UTC bob@example.com
}
