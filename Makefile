# One command per question. Everything but `demo` only reads the tree.
GO ?= go

.PHONY: test race golden floors fuzz demo lint build

test:            ## everything that needs nothing but Go
	$(GO) test ./...

race:            ## the same under the race detector
	$(GO) test -race ./...

golden:          ## rewrite the golden transcripts; then read the diff
	$(GO) test ./modem/t30 -run Golden -rewrite
	git diff --stat -- '*testdata*'

floors:          ## who imports whom
	$(GO) test ./test/floors

fuzz:            ## every fuzz target for FUZZTIME each
	./.ci/fuzz $(or $(FUZZTIME),20s)

lint:            ## vet, staticcheck, gofmt
	$(GO) vet ./...
	$(GO) tool -modfile=tools.mod staticcheck ./...
	test -z "$$(gofmt -l .)"

build:           ## static binaries for every platform that is supported
	./.ci/build

demo:            ## three nodes, simulated lines, one fax
	$(GO) run ./cmd/faxmeshd demo
