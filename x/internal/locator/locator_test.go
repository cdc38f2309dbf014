package locator

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckTellsGoodFromBad(t *testing.T) {
	long := "http://a/" + strings.Repeat("x", 91)
	for _, tc := range []struct {
		url string
		ok  bool
	}{
		{"http://127.0.0.1:8080", true},
		{"https://miner.example/base", true},
		{"http://[::1]:80/x", true},
		{"file:///var/batches", true},
		{long, true}, // exactly 100 bytes
		{long + "x", false},
		{"", false},
		{"http://", false},
		{"http:///path", false},
		{"file://", false},
		{"file:///", false},
		{"127.0.0.1:8080", false},
		{"//host/path", false},
		{"HTTP://host", false},
		{"ftp://host", false},
		{"javascript://host", false},
		{"http://user:secret@host", false},
		{"http://host/a b", false},
		{"http://host/\n", false},
		{"http://host/\x00", false},
		{"http://hést/", false},
		{"http://host/?q=1", false},
		{"http://host/#f", false},
	} {
		err := Check(tc.url, 100, "http", "https", "file")
		if tc.ok {
			require.NoError(t, err, tc.url)
		} else {
			require.ErrorIs(t, err, ErrInvalid, tc.url)
		}
	}
}

func TestCheckHoldsTheHardLimitWhateverTheParameter(t *testing.T) {
	require.ErrorIs(t, Check("http://a/"+strings.Repeat("x", MaxLength), 1<<31, "http"), ErrInvalid)
}

// Any bytes are a URL by the rule, or ErrInvalid; what passes has nothing that a reader
// could take for something else.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{"http://127.0.0.1:8080/x", "s3://bucket", "file:///a", "file://", "http://a@b", "http://a?b", "http:///x", "://", "http://\x00", "HTTP://a"} {
		f.Add(s, uint32(64))
	}
	schemes := []string{"http", "https", "s3", "gs", "file"}
	f.Fuzz(func(t *testing.T, url string, limit uint32) {
		err := Check(url, limit, schemes...)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		scheme, rest, _ := strings.Cut(url, "://")
		authority, _, _ := strings.Cut(rest, "/")
		if len(url) > int(min(limit, MaxLength)) || !slices.Contains(schemes, scheme) || strings.ContainsAny(url, "?# \\") || strings.Contains(authority, "@") {
			t.Fatalf("accepted: %q", url)
		}
	})
}
