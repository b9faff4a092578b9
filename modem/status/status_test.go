package status

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

// Scripts rely on the names, people on the sentences.
func TestCatalogue(t *testing.T) {
	word := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	seen := map[string]Code{}
	for c, e := range catalogue {
		if !word.MatchString(e.name) {
			t.Errorf("%d is named %q", c, e.name)
		}
		if other, twice := seen[e.name]; twice {
			t.Errorf("%d and %d are both named %q", c, other, e.name)
		}
		seen[e.name] = c
		if !strings.HasSuffix(e.sentence, ".") || c.Sentence() != e.sentence {
			t.Errorf("%v is told as %q", c, e.sentence)
		}
		if (c.Kind() == Success) != (c == OK) {
			t.Errorf("%v counts as a success: %v", c, c.Kind() == Success)
		}
	}
	for c := NoIdentification; c <= RemoteBusy; c++ {
		if _, ok := catalogue[c]; !ok {
			t.Errorf("%d is missing", c)
		}
	}
	for c := NoCommand; c <= RowTooLong; c++ {
		if _, ok := catalogue[c]; !ok {
			t.Errorf("%d is missing", c)
		}
	}
}

func TestUnknownCode(t *testing.T) {
	c := Code(9999)
	if c.String() != "status-9999" || c.Kind() != Temporary || !strings.Contains(c.Sentence(), "9999") {
		t.Errorf("%v, %v, %q", c, c.Kind(), c.Sentence())
	}
}

func TestError(t *testing.T) {
	cause := errors.New("engaged")
	err := &Error{Code: Busy, Cause: cause}
	if err.Error() != "busy: engaged" || !errors.Is(err, cause) || (&Error{Code: Busy}).Error() != "busy" {
		t.Errorf("%v", err)
	}
}
