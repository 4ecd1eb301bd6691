# SPDX-License-Identifier: MIT
# The fuzzer of core/ and pv/: `make fuzz` builds it, `./lab fuzz` runs it.  README.md says what it does.
#   make fuzz-minute     runs it for a minute
#   make fuzz-corpus     makes tests/fuzz/corpus anew: the fewest inputs that reach what it and build/fuzz/found do
#   make OUT=DIR PLANTED=pv/FILE.c DIR/zelo-fuzz   the same with DIR/planted.c in place of that file (planted.py)

FB ?= $(B)/fuzz
FUZZ_HV := $(sort $(wildcard hypervisor/core/*.c hypervisor/pv/*.c))
FUZZ_HOST := $(filter-out %/guest.c,$(sort $(wildcard tests/host/*.c)))
FUZZ_C := $(sort $(wildcard tests/fuzz/*.c))
FUZZ_HV_O := $(FUZZ_HV:%.c=$(FB)/%.o)
FUZZ_HOST_O := $(FUZZ_HOST:%.c=$(FB)/%.o)
FUZZ_O := $(FUZZ_C:%.c=$(FB)/%.o)
FUZZ_CC := clang
# 8 MiB of RAM: all of it is looked at after each step.
FUZZ_SAN := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-sanitize=pointer-overflow,function
FUZZ_CFLAGS := -std=gnu11 -g $(FUZZ_SAN) -fno-common -fno-strict-aliasing -fwrapv -fno-omit-frame-pointer -fno-pie \
        -ftls-model=local-exec
FUZZ_COVER := -fsanitize=fuzzer-no-link
FUZZ_CPPFLAGS := -MMD -MP -D_GNU_SOURCE -DZELO_HOST -DZELO_DEBUG -D__XEN_TOOLS__ -DHOST_FRAMES=2048ULL \
        -Itests/host -Itests/host/include -Ihypervisor/include -Ihypervisor/x86/include \
        -Ihypervisor -isystem $(B)/include
# clang knows not all of gcc's warnings.
FUZZ_WARN := $(filter-out -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wjump-misses-init \
        -Wformat-signedness -Wimplicit-fallthrough=%,$(WARN)) -Wimplicit-fallthrough -Wno-unused-parameter -Wno-vla \
        -Wno-format-nonliteral
# What state there is goes to sections of its own: snapshot.c puts them back before each input.
FUZZ_STATE := --rename-section .data=machine_data --rename-section .bss=machine_bss

fuzz: $(FB)/zelo-fuzz

fuzz-minute: $(FB)/zelo-fuzz
	@PYTHONDONTWRITEBYTECODE=1 python3 -m labkit.fuzz

define fuzz_compile
	@mkdir -p $(@D)
	@$(FUZZ_CC) $(FUZZ_CFLAGS) $(FUZZ_CPPFLAGS) $(1) -MF $(@:.o=.d) -MT $@ -c -o $@.tmp $<
	@$(OBJCOPY) $(2) $@.tmp $@ && rm -f $@.tmp
endef

$(FB)/hypervisor/core/lib_%.o: hypervisor/core/lib_%.c | $(B)/include/xen
	$(call fuzz_compile,-w $(FUZZ_COVER) -include tests/host/lib_names.h -ffreestanding,$(FUZZ_STATE))
# It links free objects through themselves, which are poisoned: poison.c.
$(FB)/hypervisor/core/slab.o: hypervisor/core/slab.c | $(B)/include/xen
	$(call fuzz_compile,-w $(FUZZ_COVER) -fno-sanitize=address -fno-builtin -Dmemset=poison_memset,$(FUZZ_STATE))
# The invariant checker runs after each step, and is no part of what is tested here.
$(filter %check.o %/check_census.o %/check_domain.o %/check_report.o %/check_pt.o %/check_shadow.o,$(FUZZ_HV_O)): \
$(FB)/hypervisor/%.o: hypervisor/%.c | $(B)/include/xen
	$(call fuzz_compile,-w -O2 -fno-sanitize=all,$(FUZZ_STATE))
$(FB)/hypervisor/%.o: hypervisor/%.c | $(B)/include/xen
	$(call fuzz_compile,-w $(FUZZ_COVER),$(FUZZ_STATE))
$(FB)/tests/host/%.o: tests/host/%.c | $(B)/include/xen
	$(call fuzz_compile,$(FUZZ_WARN),$(FUZZ_STATE))
# That something is read twice is worth an input.
$(FB)/tests/fuzz/race.o: tests/fuzz/race.c | $(B)/include/xen
	$(call fuzz_compile,$(FUZZ_WARN) $(FUZZ_COVER),)
$(FB)/tests/fuzz/%.o: tests/fuzz/%.c | $(B)/include/xen
	$(call fuzz_compile,$(FUZZ_WARN),)

$(FB)/libhv.a: $(FUZZ_HV_O)
	@rm -f $@; ar rcs $@ $^
$(FB)/libhost.a: $(FUZZ_HOST_O)
	@rm -f $@; ar rcs $@ $^

# Calls of the allocator from other files than its own go by poison.c.
FUZZ_LINK := -no-pie -fsanitize=fuzzer -Wl,--wrap=mem_alloc,--wrap=mem_alloc_array_bytes,--wrap=mem_free,--wrap=heap_free
fuzz_link = CC=$(FUZZ_CC) FLAGS="$(FUZZ_CFLAGS) $(FUZZ_LINK)" tests/unit/link.sh $@ "$(1) $(FUZZ_O)" \
    $(FB)/libhost.a $(FB)/libhv.a

$(FB)/zelo-fuzz: $(FUZZ_O) $(FB)/libhost.a $(FB)/libhv.a tests/unit/link.sh
	@$(call fuzz_link)

ifdef OUT
# The first definition of a name wins, so that it takes the place of the file's own.
$(OUT)/planted.o: $(OUT)/planted.c
	$(call fuzz_compile,-w $(FUZZ_COVER) -iquote hypervisor/$(dir $(PLANTED)),$(FUZZ_STATE))
$(OUT)/zelo-fuzz: $(OUT)/planted.o $(FB)/zelo-fuzz
	@$(call fuzz_link,$<)
endif

fuzz-corpus: $(FB)/zelo-fuzz
	@rm -rf $(FB)/corpus
	@mkdir -p $(FB)/corpus $(FB)/found
	@$< -set_cover_merge=1 -detect_leaks=0 $(FB)/corpus tests/fuzz/corpus $(FB)/found > $(FB)/corpus.log 2>&1
	@rm -rf tests/fuzz/corpus
	@mv $(FB)/corpus tests/fuzz/corpus

-include $(FUZZ_HV_O:.o=.d) $(FUZZ_HOST_O:.o=.d) $(FUZZ_O:.o=.d)

.PHONY: fuzz fuzz-minute fuzz-corpus
