package bpe

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/galahad-network/galahad/rl/tokenizer"
)

// value is a JSON value within a file that has been checked to be valid JSON,
// and where it stands. Unlike encoding/json it keeps the order of keys, sees a
// key that comes twice, does not fold case and makes no copies of what it passes.
type value struct {
	key string
	raw []byte
}

// parse checks a file as a whole and returns its value.
func parse(data []byte) (value, error) {
	v := value{raw: data}
	switch {
	case len(data) > MaxFileBytes:
		return v, v.fail(tokenizer.ErrTooLarge, "%d bytes, limit %d", len(data), MaxFileBytes)
	case !utf8.Valid(data):
		return v, v.fail(tokenizer.ErrSyntax, "not UTF-8")
	case !json.Valid(data):
		err := json.Unmarshal(data, new(json.RawMessage)) // says where
		return v, v.fail(tokenizer.ErrSyntax, "%v", err)
	}
	v.raw = data[skipBlank(data, 0):]
	return v, nil
}

func (v value) fail(err error, format string, args ...any) error {
	return &FileError{Key: v.key, Reason: fmt.Sprintf(format, args...), Err: err}
}

// unsupported says that a setting is not understood.
func (v value) unsupported(want string) error {
	return v.fail(tokenizer.ErrFormat, "%s is not supported, want %s", clip(string(v.raw)), want)
}

func (v value) mistyped(want string) error {
	return v.fail(tokenizer.ErrSyntax, "%s, want %s", clip(string(v.raw)), want)
}

// clip shortens what a message quotes from a file.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

func (v value) member(name string, raw []byte) value {
	key := clip(name)
	if v.key != "" {
		key = v.key + "." + key
	}
	return value{key, raw}
}

func (v value) at(i int, raw []byte) value {
	return value{v.key + "[" + strconv.Itoa(i) + "]", raw}
}

func (v value) null() bool { return v.raw[0] == 'n' }

// members calls f with each member of an object, in order.
func (v value) members(f func(name string, raw []byte) error) error {
	if v.raw[0] != '{' {
		return v.mistyped("an object")
	}
	for i := skipBlank(v.raw, 1); v.raw[i] != '}'; {
		end := skip(v.raw, i)
		name, err := value{v.key, v.raw[i:end]}.text()
		if err != nil {
			return err
		}
		i = skipBlank(v.raw, skipBlank(v.raw, end)+1) // over the colon
		end = skip(v.raw, i)
		if err := f(name, v.raw[i:end]); err != nil {
			return err
		}
		i = next(v.raw, end)
	}
	return nil
}

// elements calls f with each element of an array, in order.
func (v value) elements(f func(i int, raw []byte) error) error {
	if v.raw[0] != '[' {
		return v.mistyped("an array")
	}
	n := 0
	for i := skipBlank(v.raw, 1); v.raw[i] != ']'; n++ {
		end := skip(v.raw, i)
		if err := f(n, v.raw[i:end]); err != nil {
			return err
		}
		i = next(v.raw, end)
	}
	return nil
}

// object is an object's members by name.
type object struct {
	value
	values map[string]value
}

// object reads an object of known keys; any other key is refused, and a repeated
// one.
func (v value) object(known ...string) (object, error) {
	o := object{v, map[string]value{}}
	return o, v.members(func(name string, raw []byte) error {
		m := v.member(name, raw)
		if _, ok := o.values[name]; ok {
			return m.fail(tokenizer.ErrSyntax, "the key is there twice")
		}
		if !slices.Contains(known, name) {
			return m.fail(tokenizer.ErrFormat, "the key is not known")
		}
		o.values[name] = m
		return nil
	})
}

// get returns a member; one that is missing reads as null.
func (o object) get(name string) value {
	if m, ok := o.values[name]; ok {
		return m
	}
	return o.member(name, []byte("null"))
}

// text returns a string.
func (v value) text() (string, error) {
	if v.raw[0] != '"' {
		return "", v.mistyped("a string")
	}
	s := string(v.raw[1 : len(v.raw)-1])
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			out = append(out, s[i])
			i++
			continue
		}
		r, n := unescape(s[i:])
		if n == 0 {
			return "", v.fail(tokenizer.ErrSyntax, "half of a surrogate pair in %s", clip(string(v.raw)))
		}
		out = utf8.AppendRune(out, r)
		i += n
	}
	return string(out), nil
}

// unescape reads an escape and returns its length, 0 for half a surrogate pair.
func unescape(s string) (rune, int) {
	if s[1] != 'u' {
		if i := strings.IndexByte("bfnrt", s[1]); i >= 0 {
			return rune("\b\f\n\r\t"[i]), 2
		}
		return rune(s[1]), 2
	}
	r := hex4(s[2:])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(s) < 12 || s[6] != '\\' || s[7] != 'u' {
		return 0, 0
	}
	if r = utf16.DecodeRune(r, hex4(s[8:])); r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

func hex4(s string) rune {
	n, _ := strconv.ParseUint(s[:4], 16, 16) // the file is valid JSON
	return rune(n)
}

// integer returns a whole number of 0 to limit-1.
func (v value) integer(limit int) (int32, error) {
	n, err := strconv.ParseInt(string(v.raw), 10, 64)
	if err != nil {
		return 0, v.mistyped("a whole number")
	}
	if n < 0 || n >= int64(limit) {
		return 0, v.fail(tokenizer.ErrVocab, "%d is out of range, want 0 to %d", n, limit-1)
	}
	return int32(n), nil
}

// boolean returns a boolean, byDefault for null.
func (v value) boolean(byDefault bool) (bool, error) {
	switch v.raw[0] {
	case 'n':
		return byDefault, nil
	case 't', 'f':
		return v.raw[0] == 't', nil
	}
	return false, v.mistyped("true or false")
}

// skip returns the end of the value at i.
func skip(raw []byte, i int) int {
	for depth := 0; ; {
		switch raw[i] {
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		case '"':
			for i++; raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
			i++
		case ' ', '\t', '\r', '\n', ',', ':':
			i++
			continue
		default: // a number or a word
			for i < len(raw) && strings.IndexByte(" \t\r\n,:]}", raw[i]) < 0 {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
}

// next goes from the end of a member or element to the next one, or to the
// closing bracket.
func next(raw []byte, i int) int {
	i = skipBlank(raw, i)
	if raw[i] == ',' {
		i = skipBlank(raw, i+1)
	}
	return i
}

func skipBlank(raw []byte, i int) int {
	for i < len(raw) && strings.IndexByte(" \t\r\n", raw[i]) >= 0 {
		i++
	}
	return i
}
