# SPDX-License-Identifier: MIT
# Zelo: `make` leaves the multiboot image at build/zelo.elf and build/zelo.gz.
#   make DEBUG=1      the same in build/debug, which checks itself: docs/architecture.md
#   make unit         builds and runs the host unit tests
#   make coverage     how much of core and pv they run
#   make tsan         those in which CPUs race, under ThreadSanitizer
#   make fuzz         the fuzzer of core and pv, for ./lab fuzz
#   make static       static analysis: gcc -fanalyzer, cppcheck, clang-tidy
#   make proofs       page types and references, grant pins, the event FIFO, proved with cbmc

B := $(if $(DEBUG),build/debug,build)
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
CC := gcc
LD := ld
OBJCOPY := objcopy
NM := nm

HV_C := $(sort $(shell find hypervisor -name '*.c' ! -name asm_offsets.c))
HV_S := $(sort $(shell find hypervisor -name '*.S' ! -path '*/image/*'))
HV_O := $(HV_C:%.c=$(B)/%.o) $(HV_S:%.S=$(B)/%.o)

WARN := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wnested-externs \
        -Wshadow -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Walloca -Wundef -Wunused-macros \
        -Wunused-const-variable -Wformat=2 -Wformat-signedness -Wlogical-op -Wduplicated-cond \
        -Wduplicated-branches -Wnull-dereference -Wjump-misses-init -Wimplicit-fallthrough=5
# What is cut short says so; the stacks are of 16 KiB.
HV_WARN := $(WARN) -Wconversion -Wno-sign-conversion -Wredundant-decls -Wstack-usage=2048
HV_CFLAGS := -std=gnu11 -O2 -g $(HV_WARN) -ffreestanding -fno-common -fpie -fvisibility=hidden \
        -mno-red-zone -mgeneral-regs-only -mpreferred-stack-boundary=3 -fno-stack-protector -fcf-protection=none \
        -fno-asynchronous-unwind-tables -fomit-frame-pointer -fno-delete-null-pointer-checks \
        -fno-strict-aliasing -fwrapv -ffunction-sections -fdata-sections \
        -mindirect-branch=thunk-extern -mindirect-branch-register -fno-jump-tables
HV_CPPFLAGS := -MMD -MP -D__XEN_TOOLS__ -Ihypervisor/include -Ihypervisor/x86/include -I$(B)/gen \
        -isystem $(B)/include
ifdef DEBUG
HV_CPPFLAGS += -DZELO_DEBUG
# What C leaves undefined runs into a UD2.  -O1: most of the checks are the same, and it is built in half the time.
HV_CFLAGS += -O1 -fsanitize=undefined -fsanitize-undefined-trap-on-error
endif

all: $(B)/zelo.elf $(B)/zelo.gz

# The public headers of libxen-dev, and nothing else of the system's.
$(B)/include/xen:
	@mkdir -p $(B)/include
	ln -sfn /usr/include/xen $@

$(B)/gen/asm_offsets.h: hypervisor/x86/asm_offsets.c | $(B)/include/xen
	@mkdir -p $(@D)
	$(CC) $(HV_CFLAGS) $(HV_CPPFLAGS) -MF $(B)/gen/asm_offsets.d -MT $@ -S -o $(B)/gen/asm_offsets.s $<
	sed -n 's/^.*->\([A-Za-z0-9_]*\) \$$\{0,1\}\(-\{0,1\}[0-9]*\).*/#define \1 \2/p' $(B)/gen/asm_offsets.s > $@

$(HV_O): Makefile hypervisor/x86/decompress/decompress.mk # their flags

$(B)/%.o: %.c | $(B)/include/xen
	@mkdir -p $(@D)
	$(CC) $(HV_CFLAGS) $(HV_CPPFLAGS) -c -o $@ $<

$(B)/%.o: %.S $(B)/gen/asm_offsets.h | $(B)/include/xen
	@mkdir -p $(@D)
	$(CC) $(HV_CFLAGS) $(HV_CPPFLAGS) -D__ASSEMBLY__ -c -o $@ $<

# What XENVER_changeset and the banner say; made again when the checkout moves.
$(B)/hypervisor/core/version.o: HV_CPPFLAGS += -DZELO_CHANGESET=$(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
$(B)/hypervisor/core/version.o: $(wildcard .git/logs/HEAD)

-include $(HV_O:.o=.d) $(B)/gen/asm_offsets.d
-include tests/unit/unit.mk
-include tests/fuzz/fuzz.mk
-include guests/guests.mk
-include bench/bench.mk
-include tests/static/static.mk
-include tests/proof/proof.mk
-include hypervisor/x86/image/image.mk

clean:
	rm -rf $(B)/hypervisor $(B)/gen $(B)/unit $(B)/coverage $(B)/tsan $(B)/static $(B)/proofs $(B)/zelo.* \
	    $(B)/fuzz/hypervisor $(B)/fuzz/tests $(B)/fuzz/zelo-fuzz* $(B)/fuzz/*.a

.PHONY: all clean unit
