# The commands of the README.
.PHONY: bench fuzz kernel lab pictures test

release = $(or $(CARGO_TARGET_DIR),target)/release
# By itself: what is built in one command shares the features of its dependencies, and this is what is shipped.
shipped = cargo build --locked --release -p aoe-gateway -p aoe-keys

# Real AoE through a gateway pair, in network namespaces. `make lab ARGS="--keep"`, `ARGS="--help"` for more.
lab:
	$(shipped)
	cargo build --locked --release -p aoe-lab
	$(release)/aoe-lab $(ARGS)

# The gateway pair beside a bridge, VXLAN and other tunnels. `make bench ARGS="--help"` for more.
bench:
	$(shipped)
	cargo build --locked --release -p aoe-bench
	$(release)/aoe-bench $(ARGS)

# Single steps of the core, and a whole gateway per frame, without sockets. `make microbench ARGS=seal` for some of them.
microbench:
	cargo bench --locked -p aoe-common --features bench -- $(ARGS)

# Every check. `.ci/checks NAME...` runs single ones.
test:
	.ci/checks

# The pictures of the documentation, by the story that looks at the page in a real browser.
pictures:
	.ci/checks tools
	cargo build --locked -p aoe-gateway -p aoe-keys
	AOE_PICTURES=$(CURDIR)/docs cargo test --locked -p e2e --test e2e_page

# Inputs that break a promise: every fuzz target for 20 s. `make fuzz ARGS=payload FUZZ_SECONDS=600` for more of one.
fuzz:
	FUZZ_SECONDS=$(or $(FUZZ_SECONDS),20) .ci/fuzz $(ARGS)

# The real Linux driver alone, in a kernel under QEMU.
kernel:
	.ci/checks tools kernel
