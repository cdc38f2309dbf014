package repo

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/galahad-network/galahad/"
)

// goFile is a parsed Go file of the main module.
type goFile struct {
	path string // from the root, with slashes
	dir  string
	ast  *ast.File
	test bool
	// generated files have their comments elsewhere.
	generated bool
}

// goFiles parses all Go files of the repository, tools and test data excepted.
func goFiles(t *testing.T) []goFile {
	t.Helper()
	var out []goFile
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (name == "build" || name == "tools" || name == "testdata" || strings.HasPrefix(name, ".") && name != "..") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		out = append(out, goFile{
			path: rel, dir: rel[:max(0, strings.LastIndexByte(rel, '/'))], ast: f,
			test: strings.HasSuffix(name, "_test.go"), generated: ast.IsGenerated(f),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 50 {
		t.Fatalf("only %d Go files found; the walk is broken", len(out))
	}
	return out
}

func TestEveryPackageSaysWhatItOwns(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range goFiles(t) {
		if f.test || f.dir == "" {
			continue
		}
		documented[f.dir] = documented[f.dir] || (!f.generated && f.ast.Doc != nil)
	}
	for _, dir := range sortedKeys(documented) {
		if !documented[dir] {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

func TestEveryExportedNameIsDocumented(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test || f.generated {
			continue
		}
		for _, d := range f.ast.Decls {
			for _, name := range undocumented(d) {
				t.Errorf("%s: %s has no comment", f.path, name)
			}
		}
	}
}

// undocumented lists the exported names of a declaration without a comment of
// their own or of their group.
func undocumented(d ast.Decl) []string {
	var out []string
	switch d := d.(type) {
	case *ast.FuncDecl:
		// What errors do is known.
		known := d.Recv != nil && (d.Name.Name == "Error" || d.Name.Name == "Unwrap")
		if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) && !known {
			out = append(out, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && s.Doc == nil && d.Doc == nil {
					out = append(out, s.Name.Name)
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
						out = append(out, n.Name)
					}
				}
			}
		}
	}
	return out
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	t := d.Recv.List[0].Type
	if s, ok := t.(*ast.StarExpr); ok {
		t = s.X
	}
	switch x := t.(type) {
	case *ast.IndexExpr:
		t = x.X
	case *ast.IndexListExpr:
		t = x.X
	}
	id, ok := t.(*ast.Ident)
	return !ok || id.IsExported()
}

// TestImportsPointDown holds the order cmd -> miner | validator | learner | chain
// -> app -> x -> rl.
func TestImportsPointDown(t *testing.T) {
	forbidden := []struct{ from, to string }{
		{"rl/", "x/"}, {"rl/", "app"}, {"rl/", "chain/"}, {"rl/", "miner"}, {"rl/", "validator"}, {"rl/", "learner"},
		{"x/", "app"}, {"x/", "chain/"}, {"x/", "miner"}, {"x/", "validator"}, {"x/", "learner"},
		{"x/", "rl/verify/replay"}, {"x/", "rl/engine"}, {"x/", "rl/tokenizer/bpe"}, {"x/", "rl/tokenizer/auto"},
		{"rl/env/", "rl/tokenizer/bpe"}, {"rl/env/", "rl/tokenizer/auto"}, // the chain imports rl/env
		{"app", "chain/"}, {"app", "miner"}, {"app", "validator"}, {"app", "learner"},
		{"miner/", "validator"}, {"validator/", "miner"}, {"miner/", "learner"}, {"validator/", "learner"}, {"learner/", "miner"}, {"learner/", "validator"},
	}
	for _, f := range goFiles(t) {
		for _, imp := range f.ast.Imports {
			path := strings.Trim(imp.Path.Value, `"`)
			if strings.HasPrefix(f.path, "rl/") && isSDK(path) {
				t.Errorf("%s imports %s: rl knows nothing of the SDK", f.path, path)
			}
			ours, ok := strings.CutPrefix(path, module)
			if !ok || f.test {
				continue
			}
			for _, r := range forbidden {
				if strings.HasPrefix(f.path, r.from) && strings.HasPrefix(ours+"/", strings.TrimSuffix(r.to, "/")+"/") {
					t.Errorf("%s imports %s: imports point down only", f.path, ours)
				}
			}
			if m := keeperOf.FindStringSubmatch(ours); m != nil && typesOf.MatchString(f.path) && !strings.HasPrefix(f.path, "x/"+m[1]+"/") {
				t.Errorf("%s imports %s: types never import another module's keeper", f.path, ours)
			}
		}
	}
}

var (
	keeperOf = regexp.MustCompile(`^x/([a-z]+)/keeper$`)
	typesOf  = regexp.MustCompile(`^x/[a-z]+/types/`)
)

// isSDK reports imports of the SDK's world; cometbft's Merkle tree is shared with
// light clients and allowed.
func isSDK(path string) bool {
	if path == "github.com/cometbft/cometbft/crypto/merkle" {
		return false
	}
	return strings.HasPrefix(path, "github.com/cosmos/") || strings.HasPrefix(path, "cosmossdk.io/") ||
		strings.HasPrefix(path, "github.com/cometbft/")
}

// TestModuleREADMEs holds that a module's README, its specification, names every
// message and every parameter.
func TestModuleREADMEs(t *testing.T) {
	modules, err := filepath.Glob(root + "/proto/galahad/*/v1")
	if err != nil || len(modules) != 5 {
		t.Fatalf("modules: %v, %v", modules, err)
	}
	for _, dir := range modules {
		name := filepath.Base(filepath.Dir(dir))
		readme, err := os.ReadFile(filepath.Join(root, "x", name, "README.md"))
		if err != nil {
			t.Errorf("x/%s has no README.md", name)
			continue
		}
		var proto strings.Builder
		files, err := filepath.Glob(dir + "/*.proto")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			proto.Write(raw)
		}
		want := firstGroups(rpcMsg.FindAllStringSubmatch(proto.String(), -1))
		if len(want) == 0 {
			t.Errorf("x/%s has no message", name)
		}
		for _, params := range paramsMessage.FindAllStringSubmatch(proto.String(), -1) {
			want = append(want, firstGroups(field.FindAllStringSubmatch(params[2], -1))...)
		}
		for _, w := range want {
			if !strings.Contains(string(readme), w) {
				t.Errorf("x/%s/README.md does not mention %s", name, w)
			}
		}
	}
}

var (
	rpcMsg        = regexp.MustCompile(`rpc \w+\((Msg\w+)\)`)
	paramsMessage = regexp.MustCompile(`(?s)\nmessage (Params|RunParams|BeaconParams|Generation) \{(.*?)\n\}`)
	field         = regexp.MustCompile(`(?m)^  (?:repeated )?[\w.]+ (\w+) = \d+`)
)

func firstGroups(matches [][]string) []string {
	var out []string
	for _, m := range matches {
		out = append(out, m[1])
	}
	return out
}

// A map in a message is encoded in an order of its own on each node; state and
// messages hold sorted lists instead.
func TestAudit_A07_NoMapsInProto(t *testing.T) {
	files, err := filepath.Glob(root + "/proto/galahad/*/v1/*.proto")
	if err != nil || len(files) < 15 {
		t.Fatalf("proto files: %v, %v", files, err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if m := regexp.MustCompile(`(?m)^\s*map\s*<.*$`).Find(raw); m != nil {
			t.Errorf("%s: %s", f, m)
		}
	}
}

// TestAuditDocumentNamesItsTests holds docs/audit.md to the tests that there are.
func TestAuditDocumentNamesItsTests(t *testing.T) {
	exists := map[string]bool{}
	for _, f := range append(goFiles(t), toolTests(t)...) {
		if !f.test {
			continue
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				exists[fn.Name.Name] = true
			}
		}
	}
	raw, err := os.ReadFile(root + "/docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| ([A-H]\d\db?) \| [^|]+ \| ([^|]*) \|$`).FindAllStringSubmatch(string(raw), -1)
	if len(rows) < 60 {
		t.Errorf("docs/audit.md has %d rows", len(rows))
	}
	for _, row := range rows {
		for _, m := range regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(row[2], -1) {
			if !exists[m[1]] {
				t.Errorf("docs/audit.md: row %s names %s, which does not exist", row[1], m[1])
			}
		}
		if strings.TrimSpace(row[2]) == "" {
			t.Errorf("docs/audit.md: row %s has neither a test nor a reason", row[1])
		}
	}
}

// Nobody can ask a node for a page of any size: whoever pages through a collection
// clamps the request.
func TestEveryPageIsClamped(t *testing.T) {
	paged := regexp.MustCompile(`Paginate\(ctx, [\w.]+, ([^,]+),`)
	found := 0
	files, err := filepath.Glob(root + "/x/*/keeper/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range paged.FindAllStringSubmatch(string(raw), -1) {
			found++
			if m[1] != "page.Clamp(req.Pagination)" {
				t.Errorf("%s: %s", f, m[0])
			}
		}
	}
	if found < 7 {
		t.Errorf("only %d paged queries found", found)
	}
}

// toolTests are the tests of the tools' module.
func toolTests(t *testing.T) []goFile {
	t.Helper()
	paths, err := filepath.Glob(root + "/tools/*/*_test.go")
	if err != nil || len(paths) == 0 {
		t.Fatalf("tests of tools: %v, %v", paths, err)
	}
	var out []goFile
	for _, p := range paths {
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, goFile{path: p, ast: f, test: true})
	}
	return out
}

func TestScriptsParse(t *testing.T) {
	var scripts []string
	for _, folder := range []string{"/scripts", "/scripts/*"} {
		found, err := filepath.Glob(root + folder + "/*.sh")
		if err != nil || len(found) == 0 {
			t.Fatalf("scripts in %s: %v, %v", folder, found, err)
		}
		scripts = append(scripts, found...)
	}
	for _, s := range scripts {
		if out, err := exec.Command("sh", "-n", s).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", s, err, out)
		}
	}
}

func TestNoLooseEnds(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, g := range f.ast.Comments {
			for _, word := range []string{"TODO", "FIXME", "XXX:", "HACK:"} {
				if !f.generated && strings.Contains(g.Text(), word) {
					t.Errorf("%s: a comment says %s; do it or open an issue", f.path, word)
				}
			}
		}
	}
}

func TestMakeHelpNamesEveryTarget(t *testing.T) {
	raw, err := os.ReadFile(root + "/Makefile")
	if err != nil {
		t.Fatal(err)
	}
	phony := regexp.MustCompile(`(?m)^\.PHONY: (.*)$`).FindStringSubmatch(string(raw))
	if phony == nil {
		t.Fatal("Makefile has no .PHONY")
	}
	for _, target := range strings.Fields(phony[1]) {
		if !regexp.MustCompile(`(?m)^` + target + `:.*## \S`).Match(raw) {
			t.Errorf("make %s has no help line", target)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
