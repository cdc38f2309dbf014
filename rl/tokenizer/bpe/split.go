package bpe

import (
	"unicode"
	"unicode/utf8"
)

// The splitting patterns that are understood, as files write them. Each is
// matched again and again from the left; together its alternatives match any
// character, so a text is cut into pieces without rest.
const (
	patternGPT2   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	patternQwen2  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	patternLlama3 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// splits are the patterns that a Split step may name. Each function returns the
// length of the first piece of a text that is not empty.
var splits = map[string]func(string) int{
	patternGPT2:   splitGPT2,
	patternQwen2:  func(s string) int { return splitWords(s, 1) },
	patternLlama3: func(s string) int { return splitWords(s, 3) },
}

// class is what the patterns ask of a character.
type class uint8

const (
	other   class = iota // [^\s\p{L}\p{N}]
	letter               // \p{L}
	number               // \p{N}
	space                // \s but not newline
	newline              // [\r\n]
)

func classOf(r rune) class {
	switch {
	case r == '\n' || r == '\r':
		return newline
	case unicode.IsLetter(r):
		return letter
	case unicode.IsSpace(r):
		return space
	case unicode.IsNumber(r):
		return number
	}
	return other
}

// first returns the class of the first character of s and its length.
func first(s string) (class, int) {
	r, n := utf8.DecodeRuneInString(s)
	return classOf(r), n
}

// run returns where the characters of class c that begin at s[i] end, at most
// limit of them.
func run(s string, i int, c class, limit int) int {
	for ; i < len(s) && limit > 0; limit-- {
		k, n := first(s[i:])
		if k != c {
			break
		}
		i += n
	}
	return i
}

const all = 1 << 30

// splitGPT2 is patternGPT2.
func splitGPT2(s string) int {
	if n := contraction(s, false); n > 0 {
		return n
	}
	i := 0
	if s[0] == ' ' {
		i = 1
	}
	if i < len(s) {
		if c, n := first(s[i:]); c == letter || c == number || c == other {
			return run(s, i+n, c, all)
		}
	}
	n, _ := blanks(s)
	return n
}

// splitWords is patternQwen2 and patternLlama3, which differ in how many digits
// a piece may have.
func splitWords(s string, digits int) int {
	if n := contraction(s, true); n > 0 {
		return n
	}
	c, n := first(s)
	switch c {
	case letter:
		return run(s, n, letter, all)
	case number:
		return run(s, n, number, digits-1)
	case other, space:
		if end := run(s, n, letter, all); end > n {
			return end
		}
	}
	i := 0
	if s[0] == ' ' {
		i = 1
	}
	if end := run(s, i, other, all); end > i {
		return run(s, end, newline, all)
	}
	blank, lines := blanks(s)
	if lines > 0 {
		return lines
	}
	return blank
}

// blanks looks at the white space that s begins with. It returns the length of
// \s+(?!\S)|\s+, which leaves the last character to a word that follows, and that
// of \s*[\r\n]+, which ends with the last newline, 0 for none.
func blanks(s string) (length, lines int) {
	i, last := 0, 0
	for i < len(s) {
		c, n := first(s[i:])
		if c != space && c != newline {
			break
		}
		last, i = i, i+n
		if c == newline {
			lines = i
		}
	}
	if i < len(s) && last > 0 {
		return last, lines
	}
	return i, lines
}

// contraction returns the length of 's, 't, 're, 've, 'm, 'll or 'd at the
// beginning of s, 0 for none; with fold in any case, and then 'ſ (U+017F) is 's
// too, because the long s folds to s.
func contraction(s string, fold bool) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	lower := func(b byte) byte {
		if fold && b >= 'A' && b <= 'Z' {
			return b + 'a' - 'A'
		}
		return b
	}
	switch lower(s[1]) {
	case 's', 't', 'm', 'd':
		return 2
	}
	if len(s) < 3 {
		return 0
	}
	switch string([]byte{lower(s[1]), lower(s[2])}) {
	case "re", "ve", "ll":
		return 3
	case "\u017f":
		if fold {
			return 3
		}
	}
	return 0
}
