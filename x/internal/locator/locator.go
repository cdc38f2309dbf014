// Package locator holds the rule for URLs that enter the state: miners' endpoints
// and the locators of batches.
package locator

import (
	"errors"
	"fmt"
	"strings"
)

// ErrInvalid is wrapped by every error of Check.
var ErrInvalid = errors.New("invalid URL")

// MaxLength is the longest URL, in bytes, that any parameter may allow.
const MaxLength = 2048

// Check refuses whatever is not an absolute URL "scheme://authority[/path]" of at
// most maxLength bytes with one of the given lower-case schemes. The authority must
// not be empty, except for "file", and must not carry credentials: what is written
// here is public. The URL ends before any query or fragment, because readers append
// their own path.
//
// The rule is spelled out here, byte by byte, instead of asking net/url, since
// what net/url accepts changes between releases of Go and every node must agree.
// It does not say that a host exists or is safe to call; whoever dials decides that.
func Check(url string, maxLength uint32, schemes ...string) error {
	if url == "" {
		return fmt.Errorf("%w: empty", ErrInvalid)
	}
	if uint64(len(url)) > uint64(min(maxLength, MaxLength)) {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrInvalid, len(url), min(maxLength, MaxLength))
	}
	for i := range len(url) {
		if c := url[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}?#", c) >= 0 {
			return fmt.Errorf("%w: character %q at byte %d", ErrInvalid, c, i)
		}
	}
	scheme, rest, found := strings.Cut(url, "://")
	if !found {
		return fmt.Errorf("%w: not absolute, want one of %s followed by ://", ErrInvalid, strings.Join(schemes, ", "))
	}
	known := false
	for _, s := range schemes {
		known = known || s == scheme
	}
	if !known {
		return fmt.Errorf("%w: scheme %q, want one of %s", ErrInvalid, scheme, strings.Join(schemes, ", "))
	}
	authority, path, _ := strings.Cut(rest, "/")
	if strings.Contains(authority, "@") {
		return fmt.Errorf("%w: credentials in a public URL", ErrInvalid)
	}
	if authority == "" && (scheme != "file" || path == "") {
		return fmt.Errorf("%w: no host", ErrInvalid)
	}
	return nil
}
