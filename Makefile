# SPDX-License-Identifier: Apache-2.0
# One file, not recursive. `make help` lists the targets.

VERSION := $(shell cat VERSION)
CC ?= gcc
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wformat=2
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
OM_CFLAGS := -std=gnu11 -D_GNU_SOURCE -Iinclude -Ihelpers/onemigrate -Ihelpers/edge $(WARN) -MMD -MP
VIR_CFLAGS := $(shell pkg-config --cflags libvirt 2>/dev/null)
XML_CFLAGS := $(shell pkg-config --cflags libxml-2.0 2>/dev/null)
VIR_LIBS := $(shell pkg-config --libs libvirt 2>/dev/null || echo -lvirt)
XML_LIBS := $(shell pkg-config --libs libxml-2.0 2>/dev/null || echo -lxml2)

B := build
PURE := $(wildcard helpers/base/*.c helpers/core/*.c helpers/run/*.c)
EDGE := $(wildcard helpers/edge/*.c)
VERBS := $(wildcard helpers/onemigrate/*.c)
obj = $(patsubst %.c,$(B)/%.o,$(1))
san = $(patsubst %.c,$(B)/san/%.o,$(1))

.PHONY: all help check unit edge golden fuzz-replay shell lint lab bench demo dist install clean fuzz
all: $(B)/onemigrate

$(B)/onemigrate: $(call obj,$(PURE) $(EDGE) $(VERBS))
	$(CC) -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS) -o $@ $^ $(VIR_LIBS) $(XML_LIBS) -pthread

$(B)/helpers/%.o: helpers/%.c VERSION
	@mkdir -p $(@D)
	$(CC) $(OM_CFLAGS) $(HARDEN) $(CFLAGS) $(VIR_CFLAGS) $(XML_CFLAGS) -DOM_VERSION='"$(VERSION)"' -c -o $@ $<

-include $(shell find $(B) -name '*.d' 2>/dev/null)

clean:
	rm -rf $(B)
