# Hourglass: one file, not recursive. `make help` lists the targets.
#
# build/<mode>/ keeps each mode's objects apart, so sanitizers never mix. Every folder is a
# static library, and each program lists the libraries it may use: that list *is* the rule that
# agent, relay and queryd never include each other.

BUILD   ?= build
MODE    ?= release
PREFIX  ?= /usr/local
DESTDIR ?=
CFLAGS  ?= -O2 -g
PYTHON  ?= /usr/bin/python3
V       ?= 0

# A folder of ours has one name, however it is spelt: what an object depends on is kept by name (-MMD).
override BUILD := $(patsubst $(CURDIR)/%,%,$(BUILD))

B       := $(BUILD)/$(MODE)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0)

# msgpack-c's pkg-config name: `msgpack` on Debian 12 and Ubuntu 24.04, `msgpack-c` on Debian 13.
MSGPACK  := $(shell pkg-config --exists msgpack-c 2>/dev/null && echo msgpack-c || echo msgpack)
PKGS_PURE   := libxxhash libisal libsodium $(MSGPACK)
PKGS_DAEMON := libuv libmicrohttpd inih libsystemd jansson zlib
PKGS_STORE  := hiredis
PKGS        := $(PKGS_PURE) $(PKGS_DAEMON) $(PKGS_STORE)

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes \
        -Wvla -Wformat=2 -Wno-overlength-strings -fno-common
ifeq ($(DEV),1)
WARN += -Werror
endif
HARDEN := -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2
ifeq ($(MODE),asan)
HARDEN := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CFLAGS := -O1 -g
LDSAN  := -fsanitize=address,undefined
endif
ifeq ($(MODE),fuzz)
HARDEN := -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined
CFLAGS := -O1 -g
LDSAN  := -fsanitize=address,undefined
endif
ifeq ($(MODE),tsan)
HARDEN := -fsanitize=thread -fno-omit-frame-pointer
CFLAGS := -O1 -g
LDSAN  := -fsanitize=thread
endif
# Dependencies' headers are -isystem, so that our warnings speak of our code alone.
# Sums are the same whatever compiles them: no a * b + c in one rounding where a processor could.
ALL_CFLAGS = -std=c11 -ffp-contract=off -D_GNU_SOURCE -I. -I$(BUILD)/gen $(WARN) $(HARDEN) $(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(LDSAN) $(LDFLAGS) -pie -Wl,-z,relro,-z,now -Wl,--as-needed
PKG_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(PKGS) 2>/dev/null))
PKG_LIBS    = $(shell pkg-config --libs $(PKGS)) -lm -lpthread

# What `make` alone does, wherever the rules below come from.
.DEFAULT_GOAL := all

Q := $(if $(filter 1,$(V)),,@)

# ---- libraries: one a folder ---------------------------------------------------------------
src = $(filter-out %/main.c,$(wildcard $(1)/*.c))
obj = $(patsubst %.c,$(B)/%.o,$(1))

FOLDERS := proto proto/daemon proto/net proto/store agent relay queryd
lib      = $(B)/lib$(subst /,_,$(1)).a

define LIBRARY
$(call lib,$(1)): $(call obj,$(call src,$(1)))
	@mkdir -p $$(@D) && rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$^
endef
$(foreach folder,$(FOLDERS),$(eval $(call LIBRARY,$(folder))))

COMMON := $(call lib,proto/store) $(call lib,proto/daemon) $(call lib,proto/net) $(call lib,proto)

# ---- programs -------------------------------------------------------------------------------
PROGRAMS := $(B)/hourglass-agent $(B)/hourglass-relay $(B)/hourglass-queryd

all: $(PROGRAMS) ## build the three daemons

$(B)/hourglass-%: $(B)/%/main.o $(B)/lib%.a $(COMMON)
	@echo "  LINK $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(B)/%.o: %.c | $(BUILD)/gen/scripts.inc
	@mkdir -p $(@D)
	@echo "  CC   $<"
	$(Q)$(CC) $(ALL_CFLAGS) $(if $(filter proto/daemon/conf.c,$<),-DHOURGLASS_VERSION='"$(VERSION)"') -MMD -MP -c -o $@ $<

# Lua scripts become string literals: `{ "name", "line\n" "line\n" },` each.
SCRIPTS := $(sort $(wildcard proto/store/scripts/*.lua))
$(BUILD)/gen/scripts.inc: $(SCRIPTS) Makefile
	@mkdir -p $(@D)
	$(Q)for f in $(SCRIPTS); do \
		printf 'SCRIPT(%s,\n' "$$(basename $$f .lua)"; \
		sed -e 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$$/\\n"/' $$f; \
		printf ')\n'; \
	done > $@.new && mv $@.new $@

# The page at `/` (queryd/page.h): its own files and the chart library, as arrays of bytes.
DYGRAPHS   ?= /usr/share/javascript/dygraphs/dygraph.min.js
PAGE_FILES := $(sort $(wildcard queryd/page/*.*)) $(DYGRAPHS)
$(DYGRAPHS):
	@echo "$@ is missing: apt-get install libjs-dygraphs, or DYGRAPHS=path" >&2; exit 1
$(BUILD)/gen/page.inc: $(PAGE_FILES) Makefile
	@mkdir -p $(@D)
	$(Q)n=0; for f in $(PAGE_FILES); do n=$$((n + 1)); \
		printf 'static const uint8_t page_bytes_%d[] = {\n' $$n; \
		od -An -v -tx1 "$$f" | sed 's/ \(..\)/0x\1,/g'; printf '};\n'; \
	done > $@.new
	$(Q)n=0; { echo 'static const struct page_file page_files[] = {'; \
		for f in $(PAGE_FILES); do n=$$((n + 1)); \
		printf '{ "%s", page_bytes_%d, sizeof(page_bytes_%d) },\n' "$${f##*/}" $$n $$n; \
	done; echo '};'; } >> $@.new && mv $@.new $@
$(B)/queryd/page.o: $(BUILD)/gen/page.inc

# ---- tests ------------------------------------------------------------------------------------
# tests/unit/<folder>/test_<module>.c is one program; it links proto and, for a daemon's module,
# that daemon's library.
UNIT_SRC := $(wildcard tests/unit/*/test_*.c)
UNIT     := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))
TEST_LIB := $(call obj,$(wildcard tests/lib/*.c))

define UNIT_FOLDER
$(B)/unit/$(1)/%: $(B)/tests/unit/$(1)/%.o $$(TEST_LIB) $(if $(filter proto,$(1)),,$(call lib,$(1))) $$(COMMON)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(PKG_LIBS) -lcmocka
endef
$(foreach folder,proto agent relay queryd,$(eval $(call UNIT_FOLDER,$(folder))))
.SECONDARY:

unit-build: $(UNIT)

unit: unit-build ## unit tests: seconds, no network
	$(Q)$(PYTHON) tests/run.py --build $(B) unit

BENCH_SRC := $(wildcard tests/bench/*.c)
BENCH     := $(patsubst tests/bench/%.c,$(B)/bench/%,$(BENCH_SRC))
$(B)/bench/%: $(B)/tests/bench/%.o $(COMMON)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

# Those that run the agent's own machines instead of speaking its protocol.
$(B)/bench/agents $(B)/bench/bench_ingest: $(B)/bench/%: $(B)/tests/bench/%.o $(call lib,agent) $(COMMON)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

bench-build: $(BENCH)

# The simulator runs the very cores of agent and relay in one thread (tests/sim/README.md).
SIM_OBJ := $(call obj,$(wildcard tests/sim/*.c))
ifneq ($(SIM_OBJ),)
SIM := $(B)/sim
endif
SIM_LIB := $(call obj,$(wildcard tests/lib/model_*.c))
$(B)/sim: $(SIM_OBJ) $(SIM_LIB) $(call lib,agent) $(call lib,relay) $(call lib,proto/store) $(call lib,proto)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(PKGS_PURE)) -lm

test: ## everything: set-up, build, unit, golden and system tests (what the README names)
	$(Q)packaging/deps.sh test
	$(Q)$(MAKE) --no-print-directory -j2 all unit-build replay-build bench-build $(SIM)
	$(Q)$(PYTHON) tests/run.py --build $(B) unit replay golden system

asan: ## the unit tests and the fuzzers' corpora under AddressSanitizer and UBSan
	$(Q)$(MAKE) --no-print-directory -j2 MODE=asan unit-build replay-build
	$(Q)$(PYTHON) tests/run.py --build $(BUILD)/asan unit replay

bench: ## figures: the agent, the relay and the way from a line to an answer
	$(Q)packaging/deps.sh test
	$(Q)$(MAKE) --no-print-directory -j2 all bench-build
	$(Q)HOURGLASS_BUILD=$(abspath $(B)) $(PYTHON) tests/bench/run.py --build $(B) $(BENCH_ARGS)

bench-peers: ## other statsd servers beside our agent: collectd, netdata, and statsd where npm is
	$(Q)packaging/deps.sh peers
	$(Q)$(MAKE) --no-print-directory -j2 all bench-build
	$(Q)HOURGLASS_BUILD=$(abspath $(B)) $(PYTHON) tests/bench/peers.py --build $(B) $(BENCH_ARGS)

SOAK_SECONDS ?= 600
soak: ## chaos on real processes for SOAK_SECONDS=600
	$(Q)packaging/deps.sh test
	$(Q)$(MAKE) --no-print-directory -j2 all bench-build
	$(Q)$(PYTHON) tests/system/soak.py --build $(B) --seconds $(SOAK_SECONDS)

# ---- running and installing --------------------------------------------------------------------
DEMO   ?= 0
OFFSET ?= 0
run: ## a whole pipeline in the foreground; DEMO=1 sends samples, OFFSET=N moves the ports
	$(Q)packaging/deps.sh run
	$(Q)$(MAKE) --no-print-directory -j2 all
	$(Q)$(PYTHON) packaging/demo/run.py --build $(B) --data $(BUILD)/run --offset $(OFFSET) \
		$(if $(filter 1,$(DEMO)),--demo)

deps: ## install what building and testing need (says what)
	$(Q)packaging/deps.sh test

SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
UNITDIR    ?= $(if $(filter /usr,$(PREFIX)),/lib/systemd/system,/etc/systemd/system)
install: all ## install programs, units, examples and manuals below DESTDIR and PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSCONFDIR)/hourglass \
		$(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(PREFIX)/share/man/man8 \
		$(DESTDIR)$(PREFIX)/share/hourglass/grafana $(DESTDIR)$(PREFIX)/share/hourglass/prometheus
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	for unit in packaging/systemd/*; do \
		sed -e 's|@BINDIR@|$(PREFIX)/bin|;s|@SYSCONFDIR@|$(SYSCONFDIR)|' $$unit \
			> $(DESTDIR)$(UNITDIR)/$${unit##*/} || exit 1; done
	install -m 644 packaging/sysusers/hourglass.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d
	for folder in grafana prometheus; do \
		install -m 644 packaging/$$folder/* $(DESTDIR)$(PREFIX)/share/hourglass/$$folder || exit 1; done
	for program in $(PROGRAMS); do \
		name=$${program##*/}; \
		$$program --help | sed -e 's/\\/\\e/g; s/^\./\\\&./' > $(B)/$$name.help && \
		sed -e '/^@HELP@/{r '$(B)/$$name.help -e 'd}' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|' \
			packaging/man/$$name.8 > $(DESTDIR)$(PREFIX)/share/man/man8/$$name.8 || exit 1; done
	for conf in packaging/examples/*.conf; do \
		to=$(DESTDIR)$(SYSCONFDIR)/hourglass/$${conf##*/}; \
		test -e $$to || install -m 644 $$conf $$to || exit 1; done

# Each tests/fuzz/fuzz_<decoder>.c is a libFuzzer target over the same objects, by clang.
FUZZ_SECONDS ?= 10
FUZZ_NAMES   := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz: ## every fuzzer for FUZZ_SECONDS=10 each; what it finds stays in build/fuzz
	$(Q)packaging/deps.sh fuzz
	$(Q)$(MAKE) --no-print-directory -j2 CC=clang MODE=fuzz fuzz-build
	$(Q)for name in $(FUZZ_NAMES); do \
		mkdir -p $(BUILD)/fuzz/corpus/$$name && \
		echo "$$name: $(FUZZ_SECONDS) s" && \
		$(BUILD)/fuzz/$$name -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 \
			-verbosity=0 -print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/$$name- \
			$(BUILD)/fuzz/corpus/$$name tests/fuzz/corpus/$$name 2>&1 | \
			grep -E 'stat::number_of_executed_units|ERROR|SUMMARY' ; \
		test -z "$$(find $(BUILD)/fuzz -maxdepth 1 -name "$$name-*" -print -quit)" || exit 1; \
	done

fuzz-build: $(patsubst %,$(B)/%,$(FUZZ_NAMES))
FUZZ_LIBS := $(call lib,queryd) $(call lib,agent) $(call lib,relay) $(COMMON)
$(B)/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(FUZZ_LIBS)
	$(Q)$(CC) $(LDSAN),fuzzer $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

# The same targets with a plain main, over the inputs in tests/fuzz/corpus: `make test` runs them.
replay-build: $(patsubst fuzz_%,$(B)/replay/%,$(FUZZ_NAMES))
$(B)/replay/%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(FUZZ_LIBS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

clean: ## remove build output
	rm -rf $(BUILD)

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 20

.PHONY: all unit unit-build bench-build fuzz fuzz-build replay-build test asan bench bench-peers soak run deps install clean help
-include $(shell find $(B) -name '*.d' 2>/dev/null)
