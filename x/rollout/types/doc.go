// Package types holds the rollout module's messages, state, parameters, errors and
// what it expects of other modules. The module's specification is x/rollout/README.md.
package types
