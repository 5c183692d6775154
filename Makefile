# What a newcomer needs: `make demo` and `make test`. Each installs what it lacks.

CARGO ?= cargo
# Passed on to the demo, as in `make demo ARGS=--once`.
ARGS ?=

.PHONY: help demo test soak clients bench bench-accounting bench-ledger bench-proof bench-isolation bench-exposure fmt lint doc schemas check

help:
	@echo 'make demo    a custodian, four partners, a termination in mid-result, its certificate (ARGS=--once ends by itself)'
	@echo 'make test    all tests'
	@echo 'make soak    what takes longer: all PostgreSQL versions, non-interference, random policy sets (ESTOP_SEEDS)'
	@echo 'make clients docs/clients.md anew, from runs of the clients'
	@echo 'make bench   the gateway beside a direct connection, haproxy and pgbouncer, with pgbench'
	@echo 'make bench-proof  the proofs of 1,000 agreements over 20 data sets'
	@echo 'make bench-accounting  one subject among 100 million disclosed rows (MILLIONS=n)'
	@echo 'make bench-ledger      appends beside a plain group commit; ten million entries published, reopened, verified'
	@echo 'make bench-isolation   in place against airlock, on a million rows'
	@echo 'make bench-exposure    who reads what, on 100,000 relations and 10,000 roles'
	@echo 'make fmt     format the code'
	@echo 'make schemas write docs/schema anew'
	@echo 'make check   all that .ci/run checks'

demo:
	@scripts/prerequisites demo
	$(CARGO) run --release --locked --bin estop -- demo $(ARGS)

test:
	@scripts/prerequisites test
	$(CARGO) test --workspace --locked

soak:
	@scripts/prerequisites test
	$(CARGO) test --locked -p estop --test noninterference -- --ignored --nocapture
	$(CARGO) test --locked -p control --test postgres -- --ignored --nocapture killed_everywhere thousands_of_changes thousands_of_events
	scripts/versions
	ESTOP_SEEDS=$${ESTOP_SEEDS:-200} $(CARGO) test --locked -p control --test postgres -- random_catalogs
	$(CARGO) test --locked -p policy --test condition_differential -- --ignored --nocapture
	$(CARGO) test --locked -p evidence --test people -- --ignored
	$(CARGO) test --locked -p estop --test e2e_ledger -- --ignored --nocapture
	$(CARGO) test --locked -p estop --test e2e_cut -- --ignored --nocapture
	$(CARGO) test --locked -p estop --test e2e_limits -- --ignored --nocapture
	$(CARGO) test --locked -p estop --test e2e_logins -- --ignored --nocapture
	$(CARGO) test --locked -p ledger --test inject -- --ignored --nocapture every_fault

clients:
	@scripts/prerequisites test
	ESTOP_WRITE_CLIENTS=1 $(CARGO) test --locked -p estop --test e2e_drivers

bench:
	@scripts/prerequisites bench
	$(CARGO) build --release --locked --bin estop
	scripts/bench

bench-proof:
	@scripts/prerequisites test
	$(CARGO) run --release --locked -p proof --example thousand

bench-accounting:
	$(CARGO) run --release --locked -p ledger --example accounting_bench -- $${MILLIONS:-100}

bench-ledger:
	$(CARGO) run --release --locked -p ledger --example append_bench
	$(CARGO) run --release --locked -p ledger --example log_bench -- $${MILLIONS:-10}

bench-isolation:
	@scripts/prerequisites test
	$(CARGO) build --release --locked --bin estop
	scripts/bench-isolation

bench-exposure:
	@scripts/prerequisites test
	$(CARGO) build --release --locked --bin estop
	scripts/bench-exposure

fmt:
	$(CARGO) fmt --all

lint:
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

doc:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --document-private-items --locked

schemas:
	$(CARGO) build --locked --bin estop
	for kind in estop dataset partner agreement; do target/debug/estop schema $$kind > docs/schema/$$kind.json || exit 1; done

check:
	@bash .ci/run
