// Package planned puts into upgrades.All what a build tag asks for: galahad_v2 the
// rehearsed upgrade. Without tags it adds nothing.
package planned
