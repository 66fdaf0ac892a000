package format

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
)

func decode(t *testing.T, raw string) *auditlogs.Entry {
	t.Helper()
	var e auditlogs.Entry
	if err := json.Unmarshal([]byte(raw), &e); err != nil {
		t.Fatal(err)
	}
	return &e
}

func TestNew(t *testing.T) {
	for _, name := range Names() {
		if f, err := New(name, Options{}); f == nil || err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f, err := New("xml", Options{}); f != nil || err == nil || !strings.Contains(err.Error(), `"xml": want one of ndjson, csv, ecs, ocsf`) {
		t.Errorf("%v, %v", f, err)
	}
}

func TestCSV(t *testing.T) {
	f := NewCSV(nil)
	e := decode(t, `{"id":"=1+1","action":{"time":"2024-10-30T12:00:00.123Z","result":null,"description":"@x, \"y\"\nz"},
		"actor":{"email":"-a@example.com","id":"+1"},"raw":{"status_code":2.00e2},"resource":{"request":{"a": [1, 2]},"scope":"accounts","id":"\tx"},"zone":null}`)
	rows, err := csv.NewReader(bytes.NewReader(f.Entry(f.Header(nil), e))).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatal(rows, err)
	}
	if len(rows[0]) != len(auditlogsapi.ListAccountAuditLogsOperation.Fields) || rows[0][0] != "action.time" || rows[0][1] != "id" {
		t.Errorf("header is %v", rows[0])
	}
	want := map[string]string{
		"id": "'=1+1", "action.time": "2024-10-30T12:00:00.123Z", "action.description": "'@x, \"y\"\nz",
		"actor.email": "'-a@example.com", "actor.id": "'+1", "raw.status_code": "2.00e2",
		"resource.request": `{"a":[1,2]}`, "resource.scope": "accounts", "resource.id": "'\tx",
	}
	for i, path := range rows[0] {
		if rows[1][i] != want[path] {
			t.Errorf("%s is %q, want %q", path, rows[1][i], want[path])
		}
	}
}

func TestCSVFieldsWithoutColumnComeLast(t *testing.T) {
	var paths []string
	for _, field := range ordered([]auditlogsapi.Field{{Path: "z"}, {Path: "b", Column: 2}, {Path: "a"}, {Path: "c", Column: 1}}) {
		paths = append(paths, field.Path)
	}
	if !slices.Equal(paths, []string{"c", "b", "a", "z"}) {
		t.Error(paths)
	}
}

func TestGuard(t *testing.T) {
	for cell, want := range map[string]string{
		"": "", "a": "a", "=a": "'=a", "+1": "'+1", "-1": "'-1", "@a": "'@a", "\ta": "'\ta", "\ra": "'\ra", "a=": "a=", "'=a": "'=a",
		// What stays as it is: no separator comes directly before.
		"a;b": "a;b", "a; b=1": "a; b=1", "a=b;c": "a=b;c", "a\nb": "a\nb", "{\"a\":[1,-2],\"@type\":\"x\"}": "{\"a\":[1,-2],\"@type\":\"x\"}",
		"x-y;z": "x-y;z", "a\tb": "a\tb", "2024-10-30;": "2024-10-30;", "a,=b": "a,=b", ";'=1": ";'=1",
		// What starts a cell after a semicolon, a tab or a line break.
		"a;=1": "a;'=1", ";=1": ";'=1", "a;+1;-2;@x": "a;'+1;'-2;'@x", "a\t=1": "a\t'=1", "a\n=1": "a\n'=1", "a\r=1": "a\r'=1", "a\r\n-x": "a\r\n'-x",
		"a; =1": "a; '=1", "a;\"=1\"": "a;\"'=1\"", "a;\t=1": "a;\t'=1", "a;;=1": "a;;'=1", "=a;=b": "'=a;'=b", "\t=a": "'\t'=a",
		`{"q":";=1"}`: `{"q":";'=1"}`,
	} {
		if got := string(guard(nil, []byte(cell))); got != want {
			t.Errorf("%q becomes %q, want %q", cell, got, want)
		}
	}
}

// However a spreadsheet separates cells, none starts as a formula does.
func TestNoCellIsAFormula(t *testing.T) {
	f := NewCSV(nil)
	var text []byte
	for _, before := range []string{"", "a", ";", "\t", ",", "\n", "\r", "a;", "a\t", "a,", "a\n", "a;\t ", "\"", "a;\"", "a\";\"", "\";\" \t", "a\r\n\""} {
		for _, trigger := range []string{"=1+1", "+1+1", "-1+1", "@SUM(1)"} {
			quoted, err := json.Marshal(before + trigger)
			if err != nil {
				t.Fatal(err)
			}
			raw := `{"id":` + string(quoted) + `,"action":{"time":"2024-10-30T12:00:00Z","description":` + string(quoted) + `},"resource":{"request":{"q":` + string(quoted) + `}}}`
			text = f.Entry(text, decode(t, raw))
		}
	}
	for _, separator := range []rune{',', ';', '\t'} {
		reader := csv.NewReader(bytes.NewReader(text))
		reader.Comma, reader.LazyQuotes, reader.FieldsPerRecord = separator, true, -1
		rows, err := reader.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		// As one that knows no quotes but those around a cell.
		if separator != ',' {
			for line := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return r == '\n' || r == '\r' }) {
				rows = append(rows, strings.Split(line, string(separator)))
			}
		}
		for _, row := range rows {
			for _, cell := range row {
				if separator != ',' {
					cell = strings.TrimLeft(cell, " \"\t\r\n")
				}
				if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
					t.Errorf("separated at %q, a cell is %.40q", separator, cell)
				}
			}
		}
	}
}

func TestNDJSON(t *testing.T) {
	for raw, want := range map[string]string{
		`{"id": "a",  "x":1.0}`:                                   `{"id": "a",  "x":1.0}`,
		"{\"id\":\n\t\"a<\u2028\",\r\n \"x\": 1e2}":               "{\"id\":\"a<\u2028\",\"x\":1e2}",
		"{\"id\": \"cut\n\\":                                      `{"id":"cut\`,
		strings.Repeat("[\n", 20000) + strings.Repeat("]", 20000): strings.Repeat("[", 20000) + strings.Repeat("]", 20000),
	} {
		if got := string(NDJSON{}.Entry(nil, &auditlogs.Entry{Raw: json.RawMessage(raw)})); got != want+"\n" {
			t.Errorf("%.40q becomes %.40q", raw, got)
		}
	}
}

// What is in the list of formats has a name, the end of a file's name, and lines that the entry can
// be read from again.
func TestEveryFormatWorks(t *testing.T) {
	const raw = "{\"id\":\"a\",\n\"action\":{\"time\":\"2024-10-30T12:00:00Z\"},\"raw\":{\"status_code\":\"odd\"}}"
	for _, name := range Names() {
		f, err := New(name, Options{})
		if err != nil {
			t.Fatal(err)
		}
		text := string(f.Entry(nil, decode(t, raw)))
		if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
			t.Errorf("%s is not one line: %q", name, text)
		}
		if got, _ := OfFile("audit." + name); name != NameECS && name != NameOCSF && got != name {
			t.Errorf("audit.%s is %q", name, got)
		}
		if got, end := OfFile("audit." + name + ".ndjson"); (name == NameECS || name == NameOCSF) && (got != name || end != "."+name+".ndjson") {
			t.Errorf("audit.%s.ndjson is %q, by %s", name, got, end)
		}
		e, ok := Read(name, []byte(text))
		if ok != (name != NameCSV) || ok && (e.ID != "a" || e.Action.Time.IsZero() || e.Err() == nil) {
			t.Errorf("%s is read as %+v, %t", name, e, ok)
		}
	}
	for _, name := range []string{NameECS, NameOCSF} {
		f, err := New(name, Options{OmitRaw: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := Read(name, f.Entry(nil, decode(t, raw))); ok {
			t.Errorf("%s without the entry's bytes is read", name)
		}
	}
	f, err := New(NameCSV, Options{Cell: strings.ToUpper})
	if err != nil || !strings.Contains(string(f.Entry(nil, decode(t, raw))), ",A,") {
		t.Errorf("cells stay as they are, %v", err)
	}
}
