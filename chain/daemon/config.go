package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// ErrConfig is wrapped by every error about settings; the text names the file or
// the variable, the key, and what is wrong.
var ErrConfig = errors.New("config")

// ConfigFile is the name of the settings file in a home folder.
const ConfigFile = "config.toml"

// Settings describes a daemon's configuration.
type Settings struct {
	// EnvPrefix begins the environment variables that override settings, such as
	// GALAHAD_MINER. The variable EnvPrefix_HOME is the home folder.
	EnvPrefix string
	// Template is the commented TOML file with every key and its default.
	Template []byte
}

// Init writes the commented settings file and makes the home folder. An existing
// file is left alone unless force is set. It returns the file's path.
func (s Settings) Init(home string, force bool) (string, error) {
	path := filepath.Join(home, ConfigFile)
	if _, err := os.Stat(path); err == nil && !force {
		return path, fmt.Errorf("%w: %s exists; use --force to write the defaults over it", ErrConfig, path)
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return path, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return path, WriteFile(path, s.Template, 0o600)
}

// Flags adds one flag for every key of the template, with the key's own name.
func (s Settings) Flags(flags *pflag.FlagSet) error {
	v, err := s.defaults()
	if err != nil {
		return err
	}
	keys := v.AllKeys()
	slices.Sort(keys)
	for _, k := range keys {
		if flags.Lookup(k) == nil {
			value := v.GetString(k)
			if _, list := v.Get(k).([]any); list {
				value = strings.Join(v.GetStringSlice(k), ",")
			}
			flags.String(k, value, "setting "+k+" of "+ConfigFile)
		}
	}
	return nil
}

// Load reads the settings of a home folder into out, a pointer to a struct with
// mapstructure tags. A missing file means the defaults. flags may be nil.
func (s Settings) Load(home string, flags *pflag.FlagSet, out any) error {
	v, err := s.defaults()
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, k := range v.AllKeys() {
		known[k] = true
	}
	path := filepath.Join(home, ConfigFile)
	switch file, err := os.ReadFile(path); {
	case err == nil:
		if err := v.MergeConfig(bytes.NewReader(file)); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrConfig, path, err)
		}
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	for _, k := range v.AllKeys() {
		if !known[k] {
			return fmt.Errorf("%w: %s: unknown key %q", ErrConfig, path, k)
		}
	}
	if err := s.knownVariables(known); err != nil {
		return err
	}
	v.SetEnvPrefix(s.EnvPrefix)
	v.SetEnvKeyReplacer(strings.NewReplacer(".", "_"))
	v.AutomaticEnv()
	if flags != nil {
		var bind error
		flags.VisitAll(func(f *pflag.Flag) {
			if known[f.Name] && f.Changed && bind == nil {
				bind = v.BindPFlag(f.Name, f)
			}
		})
		if bind != nil {
			return fmt.Errorf("%w: %w", ErrConfig, bind)
		}
	}
	hooks := viper.DecodeHook(mapstructure.ComposeDecodeHookFunc(
		strictNumbers, mapstructure.StringToTimeDurationHookFunc(), mapstructure.StringToWeakSliceHookFunc(",")))
	if err := v.UnmarshalExact(out, hooks); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrConfig, path, err)
	}
	return nil
}

// strictNumbers refuses what the decoder, which must take text from variables and
// flags, would bend into a whole number: -1 for an unsigned one, 1.5, true.
func strictNumbers(from, to reflect.Type, value any) (any, error) {
	if to == reflect.TypeFor[time.Duration]() && from.Kind() != reflect.String && from != to {
		return nil, fmt.Errorf("%v is not a duration such as \"500ms\"", value)
	}
	switch to.Kind() {
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if v := reflect.ValueOf(value); v.CanInt() && v.Int() < 0 {
			return nil, fmt.Errorf("%v is negative", value)
		}
		fallthrough
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if k := from.Kind(); k == reflect.Float32 || k == reflect.Float64 || k == reflect.Bool {
			return nil, fmt.Errorf("%v is not a whole number", value)
		}
	}
	return value, nil
}

// defaults is a viper that holds the template.
func (s Settings) defaults() (*viper.Viper, error) {
	v := viper.New()
	v.SetConfigType("toml")
	if err := v.ReadConfig(bytes.NewReader(s.Template)); err != nil {
		return nil, fmt.Errorf("%w: built-in defaults: %w", ErrConfig, err)
	}
	return v, nil
}

// knownVariables refuses environment variables with our prefix that override
// nothing.
func (s Settings) knownVariables(known map[string]bool) error {
	names := map[string]bool{s.EnvPrefix + "_HOME": true}
	for k := range known {
		names[s.EnvPrefix+"_"+strings.ToUpper(strings.ReplaceAll(k, ".", "_"))] = true
	}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, s.EnvPrefix+"_") && !names[name] {
			return fmt.Errorf("%w: environment variable %s overrides no setting", ErrConfig, name)
		}
	}
	return nil
}

// Check is one rule of a daemon's Validate.
type Check struct {
	Key  string // of the setting
	Want string // what it must be, as in "chain.id must be not empty"
	OK   bool
}

// FirstError returns ErrConfig about the first check that does not hold.
func FirstError(checks []Check) error {
	for _, c := range checks {
		if !c.OK {
			return fmt.Errorf("%w: %s must be %s", ErrConfig, c.Key, c.Want)
		}
	}
	return nil
}

// IsHTTP reports whether s is an absolute http or https URL.
func IsHTTP(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// IsHostPort reports whether s is host:port.
func IsHostPort(s string) bool {
	_, port, err := net.SplitHostPort(s)
	return err == nil && port != ""
}

// IsOneOf reports whether s is one of the options.
func IsOneOf(s string, options ...string) bool { return slices.Contains(options, s) }
