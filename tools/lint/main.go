// Lint enforces the rules of the consensus path: code that every node must run
// with the same result, and that no input may stop.
//
//	go -C tools run ./lint [-root ..] [packages]
//
// Checked are the packages of the chain (x/..., app/...) and whatever of this
// module they import. exceptions.txt names the places where a rule does not
// apply, each with its reason; an exception that excuses nothing is an error.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	root := flag.String("root", "..", "folder of the module to check")
	flag.Parse()
	patterns := flag.Args()
	if len(patterns) == 0 {
		patterns = []string{"./x/...", "./app/..."}
	}
	if err := run(*root, patterns); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(root string, patterns []string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	excused, err := loadExceptions()
	if err != nil {
		return err
	}
	names, err := consensusPackages(root, patterns)
	if err != nil {
		return err
	}
	// Without NeedDeps the types of imports come from compiled export data.
	pkgs, err := packages.Load(&packages.Config{
		Dir: root,
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes |
			packages.NeedTypesInfo | packages.NeedImports | packages.NeedExportFile,
	}, names...)
	if err != nil {
		return fmt.Errorf("lint: load: %w", err)
	}
	var found []finding
	for _, p := range pkgs {
		for _, e := range p.Errors {
			return fmt.Errorf("lint: %s: %w", p.PkgPath, e)
		}
		for _, f := range check(p.Fset, p.Syntax, p.TypesInfo) {
			rel, err := filepath.Rel(root, f.pos.Filename)
			if err != nil {
				return err
			}
			f.pos.Filename = filepath.ToSlash(rel)
			if !excused.covers(f) {
				found = append(found, f)
			}
		}
	}
	slices.SortFunc(found, func(a, b finding) int { return strings.Compare(a.String(), b.String()) })
	for _, f := range found {
		fmt.Println(f)
	}
	stale := excused.unused()
	for _, e := range stale {
		fmt.Printf("tools/lint/exceptions.txt:%d: excuses nothing any more: remove it\n", e.line)
	}
	if n := len(found) + len(stale); n > 0 {
		return fmt.Errorf("lint: %d problems in %d packages", n, len(pkgs))
	}
	fmt.Printf("lint: %d packages of the consensus path are clean\n", len(pkgs))
	return nil
}

// consensusPackages are those that match patterns and whatever of the same module
// they import.
func consensusPackages(root string, patterns []string) ([]string, error) {
	pkgs, err := packages.Load(&packages.Config{
		Dir: root, Mode: packages.NeedName | packages.NeedImports | packages.NeedDeps | packages.NeedModule,
	}, patterns...)
	if err != nil {
		return nil, fmt.Errorf("lint: list: %w", err)
	}
	seen := map[string]bool{}
	var names []string
	packages.Visit(pkgs, nil, func(p *packages.Package) {
		if p.Module != nil && p.Module.Main && !seen[p.PkgPath] {
			seen[p.PkgPath] = true
			names = append(names, p.PkgPath)
		}
	})
	slices.Sort(names)
	return names, nil
}
