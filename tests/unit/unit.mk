# SPDX-License-Identifier: MIT
# Host unit tests: `make unit`, or `make unit T="test_heap test_slab"`.
#
# Every tests/unit/test_*.c becomes a program, linked with what it needs of
# core/ and pv/ (compiled for the host with sanitizers) and of tests/host/.
# Functions that are nowhere become stubs that stop the test when called.
#   make unit V=1     shows each program's output
#   make unit UB=DIR  builds elsewhere
#   make coverage     the same tests, compiled to count the lines that run: each room's share
#   make coverage F="event.c pv/msr"   and the lines of these files that never ran
#   make tsan         those in which several CPUs race, compiled so that ThreadSanitizer finds unordered accesses

ifdef COVERAGE
UB := $(B)/coverage
endif
ifdef TSAN
UB := $(B)/tsan
endif
UB ?= $(B)/unit
UNIT_LABEL := $(if $(TSAN),tsan,unit)
UNIT_C := $(sort $(wildcard tests/unit/test_*.c))
ifdef TSAN
UNIT_C := $(shell grep -l host_run_cpus $(UNIT_C))
endif
UNIT_T := $(if $(T),$(T),$(basename $(notdir $(UNIT_C))))
UNIT_HV := $(sort $(wildcard hypervisor/core/*.c hypervisor/pv/*.c))
ifdef TSAN
# No race goes there: time saved. A test that comes to need one is stopped by the stub.
UNIT_PLAIN := $(addprefix hypervisor/pv/,dom0_% emulate% x86_decode.c guest_context.c shadow_fault.c pt_write.c mca.c \
        cpuid_ops.c shadow_op.c) \
        $(addprefix hypervisor/core/,sysctl% memory_exchange.c memory_resource.c)
UNIT_HV := $(if $(T),$(UNIT_HV),$(filter-out $(UNIT_PLAIN),$(UNIT_HV)))
endif
UNIT_HOST := $(sort $(wildcard tests/host/*.c))
UNIT_HV_O := $(UNIT_HV:%.c=$(UB)/%.o)
UNIT_HOST_O := $(UNIT_HOST:%.c=$(UB)/%.o)
UNIT_BIN := $(UNIT_T:%=$(UB)/%)

ifdef COVERAGE
# Unoptimised, or lines would merge; atomic, since gcov derives some counts from others, which must agree.
UNIT_SAN := -O0 --coverage -fprofile-update=prefer-atomic
else ifdef TSAN
# It knows no fences: what they order must say so by its own accesses too (zelo/atomic.h).
UNIT_SAN := -O1 -fsanitize=thread -Wno-tsan -g1
else
UNIT_SAN := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-sanitize=pointer-overflow
endif
# local-exec: ld turns an ADD into a LEA where it relaxes other models, and loses flags that the null check wants.
UNIT_CFLAGS := -std=gnu11 -g $(UNIT_SAN) -fno-common -fno-strict-aliasing -fwrapv -fno-omit-frame-pointer \
        -ftls-model=local-exec
UNIT_CPPFLAGS := -MMD -MP -D_GNU_SOURCE -DZELO_HOST -DZELO_DEBUG -D__XEN_TOOLS__ -Itests/host -Itests/host/include \
        -Ihypervisor/include -Ihypervisor/x86/include -Ihypervisor -isystem $(B)/include

# One builder at a time in a directory; a file that does not compile is reported and left out.
unit: | $(B)/include/xen
	@mkdir -p $(UB)
	@flock $(UB)/lock $(MAKE) --no-print-directory -k unit-build || true
	@python3 tests/unit/run.py $(if $(V),-v) --label $(UNIT_LABEL) --broken $(UB)/broken $(UNIT_BIN)

unit-build: $(UNIT_BIN)

# What `make coverage` asks of each room, in percent.
COVERAGE_MIN := 90

coverage:
	@find $(B)/coverage -name '*.gcda' -delete 2>/dev/null || true
	@$(MAKE) --no-print-directory unit COVERAGE=1
	@python3 tests/unit/coverage.py $(B)/coverage $(F) --at-least $(COVERAGE_MIN) --worst 10

tsan:
	@$(MAKE) --no-print-directory unit TSAN=1

define unit_compile
	@mkdir -p $(@D) $(UB)/broken
	@rm -f $@ $(UB)/broken/$(notdir $*)
	@$(CC) $(UNIT_CFLAGS) $(UNIT_CPPFLAGS) $(1) -c -o $@ $< 2> $@.err && rm -f $@.err || \
	    { mv $@.err $(UB)/broken/$(notdir $*); }
endef

$(UNIT_HV_O) $(UNIT_HOST_O): tests/unit/unit.mk

$(UB)/hypervisor/core/lib_%.o: hypervisor/core/lib_%.c
	$(call unit_compile,-w -include tests/host/lib_names.h -ffreestanding)
$(UB)/hypervisor/%.o: hypervisor/%.c
	$(call unit_compile,-w)
$(UB)/tests/%.o: tests/%.c tests/unit/unit.mk
	$(call unit_compile,$(WARN) -Wno-unused-parameter -Wno-vla)

$(UB)/libhv.a: $(UNIT_HV_O)
	@rm -f $@; ar rcs $@ $$(ls $^ 2>/dev/null)
$(UB)/libhost.a: $(UNIT_HOST_O)
	@rm -f $@; ar rcs $@ $$(ls $^ 2>/dev/null)
$(UB)/test_%: $(UB)/tests/unit/test_%.o $(UB)/libhost.a $(UB)/libhv.a tests/unit/link.sh
	@rm -f $@
	@test -e $< && CC="$(CC)" FLAGS="$(UNIT_CFLAGS)" tests/unit/link.sh $@ $< $(UB)/libhost.a $(UB)/libhv.a

-include $(UNIT_HV_O:.o=.d) $(UNIT_HOST_O:.o=.d) $(UNIT_T:%=$(UB)/tests/unit/%.d)

.PRECIOUS: $(UB)/tests/unit/%.o
.PHONY: unit unit-build coverage tsan
