# Galahad. Needs Go, make and a POSIX shell; nothing is built with C.

export CGO_ENABLED = 0

# One set of flags for every target: with others Go would compile everything anew.
GO       ?= go
GOFLAGS  := -buildvcs=false
export GOFLAGS
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT   ?= $(shell git rev-parse HEAD 2>/dev/null)
LDFLAGS  := -X github.com/cosmos/cosmos-sdk/version.Name=galahad \
	-X github.com/cosmos/cosmos-sdk/version.AppName=galahadd \
	-X github.com/cosmos/cosmos-sdk/version.Version=$(VERSION) \
	-X github.com/cosmos/cosmos-sdk/version.Commit=$(COMMIT)

SEEDS    ?= 1 2 3 4 5
BLOCKS   ?= 100
OPS      ?= 40

BINARIES := galahadd galahad-miner galahad-validator galahad-learner

.DEFAULT_GOAL := help
.PHONY: help build run test sim lint fmt proto proto-check asm asm-check bits bench power curve base-model clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r t h; do printf '%-20s %s\n' "$$t" "$$h"; done

build: ## build the four programs into build/
	@mkdir -p build
	$(GO) build -ldflags '$(LDFLAGS)' -o build/ ./chain/cmd/galahadd ./miner/cmd/galahad-miner ./validator/cmd/galahad-validator ./learner/cmd/galahad-learner

run: build ## build, then run a whole local network until Ctrl-C
	build/galahadd localnet start

test: ## run all tests
	$(GO) test -timeout 15m ./...
	$(GO) -C tools test ./...

sim: ## simulate random transactions for longer than test does: SEEDS, BLOCKS and OPS choose
	for s in $(SEEDS); do $(GO) test -count=1 -timeout 60m ./app/sim -Seed $$s -NumBlocks $(BLOCKS) -BlockSize $(OPS) || exit 1; done

lint: ## go vet, formatting, the rules of the consensus path, the rules of the repo
	sh scripts/lint.sh

fmt: ## format Go and proto files
	gofmt -w $$(git ls-files '*.go' ':!:*.pb.go' ':!:*.pb.gw.go')
	sh scripts/protogen.sh fmt

proto: ## generate code from proto/
	sh scripts/protogen.sh

proto-check: ## fail if generated code is not what proto/ generates
	sh scripts/protogen.sh lint
	sh scripts/protogen.sh check

asm: ## generate the assembly of rl/kernel from tools/asm
	sh scripts/asmgen.sh

asm-check: ## fail if the assembly is not what tools/asm generates
	sh scripts/asmgen.sh check

bits: ## compare the bits of every kernel, here and on an emulated arm64
	sh scripts/bits.sh

bench: ## run the benchmarks, print them and write build/bench.json
	$(GO) run ./testutil/bench

power: ## measure what the checks catch and whom they wrong: docs/power.md
	$(GO) run ./testutil/power

curve: build ## learn through three local networks of 100 windows and draw it (an hour): docs/curve.svg
	$(GO) run ./testutil/curve

base-model: build ## make the base model anew from its seed (long) and compare its digest
	build/galahad-learner pretrain

clean: ## remove build/ and the local network's state
	rm -rf build .localnet .curve
