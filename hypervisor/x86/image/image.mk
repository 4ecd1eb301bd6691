# SPDX-License-Identifier: MIT
# Links the image. Included by the Makefile.
#   zelo.syms   64-bit, with symbols and debug information, for gdb
#   zelo.elf    32-bit, what multiboot loaders take; zelo.gz the same, packed
# Two links: the second with the table of the first's functions, which lies
# behind the text and so moves none of it.

-include hypervisor/x86/decompress/decompress.mk

IMAGE := hypervisor/x86/image
LDFLAGS := -m elf_x86_64 -nostdlib -static -z noexecstack -z max-page-size=4096 --gc-sections --no-relax \
        --build-id=none --no-warn-rwx-segments --orphan-handling=error

$(B)/gen/zelo.lds: $(IMAGE)/zelo.lds.S hypervisor/x86/include/arch/layout.h
	@mkdir -p $(@D)
	$(CC) -E -P -x assembler-with-cpp -D__ASSEMBLY__ -Ihypervisor/x86/include -o $@ $<

$(B)/gen/symbols1.S: $(IMAGE)/symbols.py
	@mkdir -p $(@D)
	python3 $< --empty > $@

$(B)/gen/symbols2.S: $(B)/zelo.pass1 $(IMAGE)/symbols.py
	$(NM) $< | python3 $(IMAGE)/symbols.py > $@

$(B)/gen/symbols%.o: $(B)/gen/symbols%.S
	$(CC) -c -o $@ $<

$(B)/gen/lib_hooks.o: $(IMAGE)/lib_hooks.S
	@mkdir -p $(@D)
	$(CC) -c -o $@ $<

IMAGE_IN := $(HV_O) $(HV_LIBS) $(B)/gen/lib_hooks.o

$(B)/zelo.pass1: $(IMAGE_IN) $(B)/gen/symbols1.o $(B)/gen/zelo.lds
	$(LD) $(LDFLAGS) -T $(B)/gen/zelo.lds -o $@ $(IMAGE_IN) $(B)/gen/symbols1.o

$(B)/zelo.syms: $(B)/zelo.pass1 $(B)/gen/symbols2.o
	$(LD) $(LDFLAGS) -T $(B)/gen/zelo.lds -o $@ $(IMAGE_IN) $(B)/gen/symbols2.o

$(B)/zelo.elf: $(B)/zelo.syms $(IMAGE)/elf32.py
	python3 $(IMAGE)/elf32.py $< $@

$(B)/zelo.gz: $(B)/zelo.elf
	gzip -9n < $< > $@
