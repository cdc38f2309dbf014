// Package types holds settlement's messages, state and parameters, the rules that a
// grader's verdicts must obey, and the interfaces of the modules it works with.
package types
