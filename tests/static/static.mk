# SPDX-License-Identifier: MIT
# Static analysis: `make static`, or `make static A=cppcheck`.
# docs/static-analysis.md says what is looked for, and what is switched off and why.
#
# A source file is looked at again when it, or a header of it, has changed.

S := $(B)/static
STATIC_HV := $(HV_C)
STATIC_GUESTS := $(sort $(wildcard guests/*/*.c))
STATIC_PROGRAMS := $(sort $(wildcard tests/system/programs/*.c))
STATIC_C := $(STATIC_HV) $(STATIC_GUESTS) $(STATIC_PROGRAMS)
A := gcc cppcheck clang-tidy
STATIC_PASSED := $(A:%=$(S)/%.passed)

# What the preprocessor is told for a source file, and what a compiler is.
static_macros = $(strip $(if $(filter hypervisor/%,$1),$(filter-out -MMD -MP,$(HV_CPPFLAGS)) -DZELO_CHANGESET=none, \
        $(if $(filter guests/%,$1),-D__XEN_TOOLS__ -DVIRT_BASE=$(GUEST_VIRT_BASE)UL -isystem $(B)/include)))
static_cflags = $(if $(filter hypervisor/%,$1),$(HV_CFLAGS), \
        $(if $(filter guests/%,$1),$(GUEST_CFLAGS),-std=gnu11 -O2 $(WARN) $(if $(findstring compat32,$1),-m32)))
# clang knows neither all of gcc's options nor its pragmas.  Its analyser gives a function up after so many states.
CLANG_CFLAGS := -std=gnu11 -O2 -Wall -Wextra -Wunreachable-code-aggressive -Wassign-enum -Wshift-sign-overflow \
        -Wno-unknown-pragmas -Xclang -analyzer-config -Xclang max-nodes=50000
static_clang_cflags = $(CLANG_CFLAGS) $(if $(filter tests/%,$1),$(if $(findstring compat32,$1),-m32), \
        -ffreestanding -mgeneral-regs-only -fno-delete-null-pointer-checks)
CPPCHECK_FLAGS := --quiet --error-exitcode=1 --enable=warning,style,performance,portability --inline-suppr \
        --suppressions-list=tests/static/cppcheck.txt --suppress='*:$(B)/include/*' --std=c11 --platform=unix64 \
        -D__x86_64__ -D__LP64__ -D__GNUC__=12 --template='{file}:{line}: {message} [{id}]'

# All findings of all files; then which analysers had none.
static:
	@rm -f $(STATIC_PASSED)
	@$(MAKE) --no-print-directory -k --output-sync $(STATIC_PASSED) || true
	@failed=0; for name in $(A); do \
	    test -e $(S)/$$name.passed || { echo "static: $$name has findings"; failed=$$((failed + 1)); }; done; \
	echo "static: $$(($(words $(A)) - failed)) passed, $$failed failed, 0 skipped"; test $$failed -eq 0

$(S)/gcc.passed: $(STATIC_C:%=$(S)/gcc/%)
	@touch $@
$(S)/clang-tidy.passed: $(STATIC_C:%=$(S)/clang-tidy/%)
	@touch $@

# One run finds the dependencies for both.
$(S)/gcc/%: % Makefile tests/static/static.mk | $(B)/include/xen
	@mkdir -p $(@D)
	@$(CC) $(call static_cflags,$<) $(call static_macros,$<) -fanalyzer -MMD -MP -MF $@.d \
	    -MT '$@ $(S)/clang-tidy/$*' -c -o /dev/null $<
	@touch $@

$(S)/clang-tidy/%: % .clang-tidy tests/static/static.mk | $(B)/include/xen
	@mkdir -p $(@D)
	@clang-tidy --quiet $< -- $(call static_clang_cflags,$<) $(call static_macros,$<) > $@.log 2>&1 && touch $@ || \
	    { cat $@.log; exit 1; }

# All at once, which also shows functions that nobody calls; it remembers by itself what has not changed.
$(S)/cppcheck.passed: $(B)/include/xen $(B)/gen/asm_offsets.h FORCE
	@mkdir -p $(S)/cppcheck/hypervisor $(S)/cppcheck/guests
	@cppcheck $(CPPCHECK_FLAGS) --enable=unusedFunction --cppcheck-build-dir=$(S)/cppcheck/hypervisor \
	    $(subst -isystem ,-I,$(call static_macros,hypervisor/)) $(STATIC_HV)
	@cppcheck $(CPPCHECK_FLAGS) --cppcheck-build-dir=$(S)/cppcheck/guests \
	    $(subst -isystem ,-I,$(call static_macros,guests/)) $(STATIC_GUESTS) $(STATIC_PROGRAMS)
	@touch $@

FORCE:

-include $(STATIC_C:%=$(S)/gcc/%.d)

.PHONY: static FORCE
