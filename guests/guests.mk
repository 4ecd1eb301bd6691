# SPDX-License-Identifier: MIT
# Tiny PV guests: build/guests/NAME.elf, one for each folder but common.

GUEST_VIRT_BASE := 0xffffffff80000000
GUEST_CFLAGS := -std=gnu11 -O1 -g $(WARN) -ffreestanding -fno-pic -mcmodel=kernel -mno-red-zone \
        -mgeneral-regs-only -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
        -D__XEN_TOOLS__ -DVIRT_BASE=$(GUEST_VIRT_BASE)UL -isystem $(B)/include
GUESTS := $(patsubst guests/%/,%,$(filter-out guests/common/,$(wildcard guests/*/)))

guests: $(GUESTS:%=$(B)/guests/%.elf)

$(B)/guests/start.o: guests/common/start.S | $(B)/include/xen
	@mkdir -p $(@D)
	$(CC) -D__ASSEMBLY__ -DVIRT_BASE=$(GUEST_VIRT_BASE) -isystem $(B)/include -c -o $@ $<

$(B)/guests/%.o: guests/%.c $(wildcard guests/*/*.h) | $(B)/include/xen
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -c -o $@ $<

$(B)/guests/guest.lds: guests/common/guest.lds
	@mkdir -p $(@D)
	$(CC) -E -P -DVIRT_BASE=$(GUEST_VIRT_BASE) -x c -o $@ $<

.SECONDEXPANSION:
$(B)/guests/%.elf: $(B)/guests/start.o $(B)/guests/common/guest.o $(B)/guests/common/tools.o \
        $$(addprefix $(B)/,$$(subst .c,.o,$$(sort $$(wildcard guests/$$*/*.c)))) $(B)/guests/guest.lds
	$(LD) -static -nostdlib -z max-page-size=4096 -T $(B)/guests/guest.lds -o $@ $(filter %.o,$^)

.PHONY: guests
.SECONDARY:
