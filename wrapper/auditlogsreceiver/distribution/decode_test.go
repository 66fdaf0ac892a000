package distribution

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
)

type rawMessage = json.RawMessage

func idOf(raw []byte) string {
	var entry struct{ ID string }
	if json.Unmarshal(raw, &entry) != nil {
		return ""
	}
	return entry.ID
}

// idsOf returns the ids of the entries in a request of OTLP, from their own bytes.
func idsOf(r *http.Request, body []byte) (ids []string, err error) {
	if r.Header.Get("Content-Encoding") == "gzip" {
		reader, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		if body, err = io.ReadAll(reader); err != nil {
			return nil, err
		}
	}
	request := plogotlp.NewExportRequest()
	if err := request.UnmarshalProto(body); err != nil {
		return nil, err
	}
	for _, of := range request.Logs().ResourceLogs().All() {
		for _, scope := range of.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				id := idOf([]byte(record.Body().Str()))
				if id == "" {
					return nil, fmt.Errorf("a record without an entry: %s", record.Body().AsString())
				}
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}
