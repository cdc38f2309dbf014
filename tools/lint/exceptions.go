package main

import (
	_ "embed"
	"fmt"
	"path"
	"strings"
)

//go:embed exceptions.txt
var exceptionsText string

// exception excuses findings of a rule in a file, or below a folder.
type exception struct {
	line  int
	place string // a file, a pattern of path.Match, or a folder ending in "/..."
	rule  string // or "*"
	where string // a function, or "*"
	used  bool
}

type exceptions []*exception

func loadExceptions() (exceptions, error) { return parseExceptions(exceptionsText) }

// parseExceptions reads lines of "place rule function reason"; # begins a comment.
func parseExceptions(text string) (exceptions, error) {
	var out exceptions
	for i, l := range strings.Split(text, "\n") {
		if l = strings.TrimSpace(l); l == "" || l[0] == '#' {
			continue
		}
		f := strings.Fields(l)
		if len(f) < 6 {
			return nil, fmt.Errorf("tools/lint/exceptions.txt:%d: want: place rule function, then the reason in a few words", i+1)
		}
		if _, ok := reasons[f[1]]; !ok && f[1] != "*" {
			return nil, fmt.Errorf("tools/lint/exceptions.txt:%d: there is no rule %q", i+1, f[1])
		}
		out = append(out, &exception{line: i + 1, place: f[0], rule: f[1], where: f[2]})
	}
	return out, nil
}

// covers reports whether f is excused, and notes that the exception was needed.
func (e exceptions) covers(f finding) bool {
	covered := false
	for _, x := range e {
		if (x.rule == "*" || x.rule == f.rule) && (x.where == "*" || x.where == f.where) && inPlace(x.place, f.pos.Filename) {
			x.used, covered = true, true
		}
	}
	return covered
}

func (e exceptions) unused() exceptions {
	var out exceptions
	for _, x := range e {
		if !x.used {
			out = append(out, x)
		}
	}
	return out
}

// inPlace matches a file with a place. Below a folder, each part of the folder is
// a pattern: x/*/client/... is the client folder of every module.
func inPlace(place, file string) bool {
	folder, below := strings.CutSuffix(place, "/...")
	if !below {
		ok, err := path.Match(place, file)
		return ok && err == nil
	}
	want, have := strings.Split(folder, "/"), strings.Split(file, "/")
	if len(have) <= len(want) {
		return false
	}
	for i, w := range want {
		if ok, err := path.Match(w, have[i]); err != nil || !ok {
			return false
		}
	}
	return true
}
