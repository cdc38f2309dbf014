#!/bin/sh
# Generates Go code, REST gateways and the OpenAPI file from proto/.
#
#   scripts/protogen.sh         generate into the source tree
#   scripts/protogen.sh check   fail if the source tree differs from what would be generated
#   scripts/protogen.sh lint    buf lint and format check
#   scripts/protogen.sh fmt     format proto/
#   scripts/protogen.sh breaking [REF]   wire and source compatibility against a git ref [main]
#
# Needs Go only. The plugins are pinned in tools/go.mod and the imported .proto
# files come out of the Go module cache, so no schema registry is asked and,
# once the modules are downloaded, no network is needed.
set -eu

cd "$(dirname "$0")/.."
root=$(pwd)
deps=build/proto-deps
gen=build/proto-gen
module=$(go list -m)
openapi=app/openapi/galahad.swagger.json

build_tools() {
	mkdir -p build/tools
	go build -C tools -o "$root/build/tools/" \
		github.com/bufbuild/buf/cmd/buf \
		github.com/cosmos/gogoproto/protoc-gen-gocosmos \
		github.com/grpc-ecosystem/grpc-gateway/protoc-gen-grpc-gateway \
		github.com/grpc-ecosystem/grpc-gateway/protoc-gen-swagger
	PATH="$root/build/tools:$PATH"
	export PATH
}

module_dir() {
	dir=$(go list -m -f '{{.Dir}}' "$1")
	if [ -z "$dir" ]; then
		go mod download "$1"
		dir=$(go list -m -f '{{.Dir}}' "$1")
	fi
	printf '%s\n' "$dir"
}

# copy_deps DEST puts every .proto that ours import, directly or not, under DEST.
copy_deps() {
	sdk=$(module_dir github.com/cosmos/cosmos-sdk)
	gogo=$(module_dir github.com/cosmos/gogoproto)
	cosmos=$(module_dir github.com/cosmos/cosmos-proto)
	gateway=$(module_dir github.com/grpc-ecosystem/grpc-gateway)
	rm -rf "$1"
	mkdir -p "$1/gogoproto" "$1/google/api"
	cp -R "$sdk/proto/cosmos" "$sdk/proto/amino" "$sdk/proto/tendermint" "$cosmos/proto/cosmos_proto" "$1/"
	cp "$gogo/gogoproto/gogo.proto" "$1/gogoproto/"
	cp "$gateway/third_party/googleapis/google/api/annotations.proto" \
		"$gateway/third_party/googleapis/google/api/http.proto" "$1/google/api/"
	chmod -R u+w "$1" # the module cache is read-only
}

generate() {
	rm -rf "$gen"
	mkdir -p "$gen/go" "$gen/openapi"
	buf generate proto --template buf.gen.yaml
	buf generate proto --template buf.gen.openapi.yaml
	# The merged document is named after whichever file came first.
	sed -e 's|"title": "galahad/.*\.proto"|"title": "Galahad node, REST"|' \
		-e 's|"version": "version not set"|"version": "v1"|' \
		"$gen/openapi/galahad.swagger.json" >"$gen/openapi/titled"
	mv "$gen/openapi/titled" "$gen/openapi/galahad.swagger.json"
	[ -d "$gen/go/$module" ] || { echo "protogen: nothing generated for $module" >&2; exit 1; }
}

# generated_files lists the generated Go files under the current folder.
generated_files() {
	find . \( -name build -o -name .git \) -prune -o \
		\( -name '*.pb.go' -o -name '*.pb.gw.go' \) -print | sort
}

case "${1:-generate}" in
generate)
	build_tools
	copy_deps "$deps"
	generate
	generated_files | while read -r f; do rm -f "$f"; done
	cp -R "$gen/go/$module/." .
	mkdir -p "$(dirname "$openapi")"
	cp "$gen/openapi/galahad.swagger.json" "$openapi"
	;;
check)
	build_tools
	copy_deps "$deps"
	generate
	bad=0
	generated_files >"$gen/have"
	(cd "$gen/go/$module" && generated_files) >"$gen/want"
	diff -u "$gen/have" "$gen/want" || bad=1
	while read -r f; do
		diff -u "$f" "$gen/go/$module/$f" || bad=1
	done <"$gen/want"
	diff -u "$openapi" "$gen/openapi/galahad.swagger.json" || bad=1
	if [ "$bad" -ne 0 ]; then
		echo "protogen: committed code differs from what proto/ generates; run 'make proto'" >&2
		exit 1
	fi
	;;
lint)
	build_tools
	copy_deps "$deps"
	buf lint proto
	buf format --diff --exit-code proto
	;;
fmt)
	build_tools
	buf format -w proto
	;;
breaking)
	build_tools
	copy_deps "$deps"
	ref=${2:-main}
	old=build/proto-old
	rm -rf "$old"
	mkdir -p "$old"
	git archive "$ref" proto buf.yaml | tar -x -C "$old"
	mkdir -p "$old/build"
	cp -R "$deps" "$old/build/proto-deps"
	buf breaking --against "$old"
	;;
*)
	echo "usage: scripts/protogen.sh [generate|check|lint|fmt|breaking [REF]]" >&2
	exit 2
	;;
esac
