// Package types holds the registry's messages, state, parameters, errors and what
// it expects of other modules. The module's specification is x/registry/README.md.
package types
