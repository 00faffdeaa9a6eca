# SPDX-License-Identifier: Apache-2.0
# One file, not recursive. `make help` lists the targets.

VERSION := $(shell cat VERSION)
CC = gcc
CLANG = clang
CFLAGS ?= -O2 -g
PREFIX ?= /usr
B := build

WARN := -Werror=implicit-function-declaration -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wformat=2
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
BASE_FLAGS := -std=gnu11 -D_GNU_SOURCE -Iinclude -Ihelpers/onemigrate -Ihelpers/edge $(WARN) \
	-DOM_VERSION='"$(VERSION)"'
LIB_FLAGS = $(shell pkg-config --cflags libvirt libxml-2.0)
LIBS = $(shell pkg-config --libs libvirt libxml-2.0) -pthread -lm
SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1 -g

PURE := $(wildcard helpers/base/*.c helpers/core/*.c helpers/run/*.c)
EDGE := $(wildcard helpers/edge/*.c)
VERBS := $(wildcard helpers/onemigrate/*.c)
# onemigrate-ssh is left out where libssh2 and zlib are not there to build it: ssh(1) and rsync serve then.
SSH_LIBS := $(shell pkg-config --exists libssh2 zlib && pkg-config --libs libssh2 zlib)
SSH := $(wildcard helpers/onemigrate-ssh/*.c) helpers/base/err.c helpers/base/util.c \
	$(patsubst %,helpers/core/%.c,buf frame hash64 squeeze ssh_conf ssh_known ssh_line text) \
	$(patsubst %,helpers/edge/%.c,net_connect proc ssh_conf_read)
PROGRAMS := $(B)/onemigrate $(if $(SSH_LIBS),$(B)/onemigrate-ssh)
PLATFORM = $(shell bash -c '. remotes/onemigrate/driver.sh; om_platform; echo "$$OM_PLATFORM"')

# $(call obj,sources,directory): their objects below that directory
obj = $(patsubst %.c,$(B)/$(2)/%.o,$(1))

.PHONY: all help check unit edge golden fuzz-replay shell lint lab-check bench bench-busy bench-least bench-transport bench-local bench-stall \
	demo dist install clean fuzz docs sim
all: $(PROGRAMS)

help:
	@echo 'make            build/onemigrate, and build/onemigrate-ssh where libssh2 is there'
	@echo 'make check      every test: unit, edge, golden, fuzz corpus, shell, lint, lab (root)'
	@echo 'make demo       see a migration between two hosts on this machine (root)'
	@echo 'make bench      ours against virsh, in turn, on the same two hosts (root)'
	@echo 'make bench-busy | bench-least     busy guests: ours against the rules of others, against the least pause (root; hours)'
	@echo 'make bench-local     storage that hosts do not share: ours against what stock does (root)'
	@echo 'make bench-transport    ways of sending against each other (root; hours)'
	@echo 'make bench-stall     what it costs a guest that its memory is read before the start (root)'
	@echo 'make unit | edge | golden | fuzz-replay | shell | lint | lab-check | sim     parts of check'
	@echo 'make fuzz       fuzz each parser for FUZZ_SECONDS (60) seconds'
	@echo 'make docs       write the generated parts of the manual and of the README'
	@echo 'make dist       build/onemigrate-helpers-<platform>-<version>.tar.gz for install.sh --helpers'
	@echo 'make install    the helper and the manual below DESTDIR, for a host package'

# ---- the helper ----

$(B)/onemigrate: $(call obj,$(PURE) $(EDGE) $(VERBS),o)
	$(CC) -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/onemigrate-ssh: $(call obj,$(SSH),o)
	$(CC) -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS) -o $@ $^ $(SSH_LIBS)

$(B)/o/%.o: %.c VERSION Makefile
	@mkdir -p $(@D)
	$(CC) $(BASE_FLAGS) $(LIB_FLAGS) $(HARDEN) $(CFLAGS) -MMD -MP -c -o $@ $<

# The same with sanitizers, for the tests.
$(B)/san/%.o: %.c VERSION Makefile
	@mkdir -p $(@D)
	$(CC) $(BASE_FLAGS) $(LIB_FLAGS) -Itests/unit $(SAN) -MMD -MP -c -o $@ $<

-include $(shell test -d $(B) && find $(B) -name '*.d')

# ---- tests ----
# `make check` counts the lines "ok - ", "not ok - " and "skip - " of all parts.

UNIT := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c))
EDGET := $(patsubst tests/edge/%.c,$(B)/tests/%,$(wildcard tests/edge/test_*.c))
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
wraps = $(shell sed -n 's|.*/\* WRAP: \(.*\) \*/.*|\1|p' $(1) | tr ' ' '\n' | sed 's/^./-Wl,--wrap=&/')

# Pure code is linked without libvirt and libxml2, which proves that it needs neither.
$(UNIT): $(B)/tests/%: $(B)/san/tests/unit/%.o $(call obj,$(PURE),san)
	@mkdir -p $(@D)
	$(CC) $(SAN) -o $@ $^ -lcmocka -lm

$(EDGET): $(B)/tests/%: $(B)/san/tests/edge/%.o $(call obj,$(PURE) $(EDGE),san)
	@mkdir -p $(@D)
	$(CC) $(SAN) $(call wraps,tests/edge/$*.c) -o $@ $^ -lcmocka $(LIBS)

$(B)/tests/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/replay_main.c $(call obj,$(PURE) $(EDGE),san)
	@mkdir -p $(@D)
	$(CC) $(BASE_FLAGS) $(LIB_FLAGS) $(SAN) -o $@ $^ $(LIBS)

$(B)/tests/onedriver: tests/driver/onedriver.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARN) -Werror $(CFLAGS) -o $@ $<

$(B)/tests/golden_plan: $(B)/san/tests/golden/golden_plan.o $(call obj,$(PURE) $(filter helpers/edge/xml_%,$(EDGE)),san)
	@mkdir -p $(@D)
	$(CC) $(SAN) -o $@ $^ $(shell pkg-config --libs libxml-2.0) -lm

$(B)/sim: $(call obj,$(wildcard tests/sim/*.c) $(PURE),o)
	$(CC) -pie $(LDFLAGS) -o $@ $^ -lm

unit: $(UNIT)
	@tests/run_cmocka $^
edge: $(EDGET)
	@tests/run_cmocka $^
golden: $(B)/tests/golden_plan
	@tests/golden/run $<
# 1000 guests of each class take a minute; SIM_BRIEF=1 (make check): 10, and no tables; SIM_FULL=1: 5000
sim: $(B)/sim
	@$< -n $(if $(SIM_FULL),5000,$(if $(SIM_BRIEF),10,1000)) $(if $(SIM_BRIEF),-q)
fuzz-replay: $(FUZZ:%=$(B)/tests/fuzz_%)
	@tests/fuzz/replay $^
shell: all $(B)/tests/onedriver
	@tests/shell/run
lab-check: all $(B)/tests/onedriver
	@tests/lab/run
lint: all
	@tests/lint/run
check:
	@tests/check

fuzz:
	@tests/fuzz/run $(FUZZ)
$(B)/fuzz/%: tests/fuzz/fuzz_%.c $(PURE) $(filter helpers/edge/xml_%,$(EDGE))
	@mkdir -p $(@D)
	$(CLANG) $(BASE_FLAGS) $(LIB_FLAGS) -g -O1 -fsanitize=fuzzer,address,undefined -o $@ $^ \
		$(shell pkg-config --libs libxml-2.0) -lm

demo:
	@tests/lab/demo
bench: all $(B)/tests/onedriver
	@tests/bench/run
bench-busy: all
	@tests/bench/busy
bench-least: all
	@tests/bench/busy --least
# KINDS="text random": of memory; BENCH_ROUNDS, BENCH_LINKS, BENCH_CPU: as the script says
bench-transport: all
	@tests/bench/transport $(KINDS)
bench-local: all
	@tests/bench/local
bench-stall: all
	@tests/bench/stall

# ---- documentation, packing ----

docs: all
	@man/generate
dist: all
	rm -rf $(B)/dist && mkdir -p $(B)/dist/$(PLATFORM)
	install -m 0755 $(PROGRAMS) $(B)/dist/$(PLATFORM)
	install -m 0644 VERSION $(B)/dist/$(PLATFORM)/VERSION
	tar -C $(B)/dist --owner=0 --group=0 -czf $(B)/onemigrate-helpers-$(PLATFORM)-$(VERSION).tar.gz $(PLATFORM)
install: all
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/libexec/onemigrate $(PROGRAMS)
	install -D -m 0755 remotes/onemigrate/ssh $(DESTDIR)$(PREFIX)/libexec/onemigrate/ssh
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man8 man/onemigrate.8 man/onemigrate-ssh.8

clean:
	rm -rf $(B)
