// Package browser looks at the pages of html that the command writes, in a real browser.
package browser
