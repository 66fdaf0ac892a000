package format

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestColumnsStayInTheirPlaces holds the columns against those that were given out: more can
// follow, and nothing else can change, since spreadsheets and imports count columns.
func TestColumnsStayInTheirPlaces(t *testing.T) {
	text, err := os.ReadFile("testdata/columns.txt")
	if err != nil {
		t.Fatal(err)
	}
	given := strings.Fields(string(text))
	if now := Columns(); len(given) == 0 || len(now) < len(given) || !slices.Equal(now[:len(given)], given) {
		t.Errorf("the columns are %v, and were %v", now, given)
	}
}
