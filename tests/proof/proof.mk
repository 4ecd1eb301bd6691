# SPDX-License-Identifier: MIT
# Bounded proofs with cbmc: `make proofs`; `make proofs PROOFS=page_refs-put` one of them, `make proofs DEPTH=2` with
# larger bounds.  `make proof-mutants` shows that each of them can fail.  README.md beside this says what is proved.
#
# NAME-CASE is tests/proof/NAME.c, compiled with PROOF_CASE_(CASE), which is to call that function if nothing is said.

P := $(B)/proofs
DEPTH := 1
# What they are of; mutants.sh has its own.
PROOF_SOURCE := hypervisor
# On a machine whose Debian has no cbmc: labkit/cbmc.py.
CBMC_BIN := $(if $(shell command -v cbmc),,$(or $(ZELO_LAB_DIR),build/lab)/cbmc/bin/)

PROOFS := $(addprefix page_refs-,get get_in_line get_any get_held put put_in_line release take assign) \
        $(addprefix page_types-,get_type get_writable put_type put_writable put_type_preemptible finish_undo) \
        $(addprefix grant_pin-,v1_enemy v1_honest v2_enemy v2_honest) \
        $(addprefix fifo_enemy-,raise_it unmask_it) \
        $(addprefix fifo_lost-,raise unmask)

PROOF_CASE_v1_enemy := -DVERSION=1 -DHONEST=0
PROOF_CASE_v1_honest := -DVERSION=1 -DHONEST=1
PROOF_CASE_v2_enemy := -DVERSION=2 -DHONEST=0
PROOF_CASE_v2_honest := -DVERSION=2 -DHONEST=1
PROOF_CASE_raise := -DUNMASK=0 -DTWO=0
PROOF_CASE_unmask := -DUNMASK=1 -DTWO=0
PROOF_CASE_raise_two := -DUNMASK=0 -DTWO=1
PROOF_CASE_unmask_two := -DUNMASK=1 -DTWO=1

# How often loops go round at most.  In the page proofs a round that failed begins the next one as it began itself, and
# waiting for another CPU has no bound: what goes round more often is left out.  Elsewhere it would be a failure.
PROOF_LOOPS_page_refs := --no-unwinding-assertions --unwind $$(($(DEPTH) + 1))
PROOF_LOOPS_page_types := $(PROOF_LOOPS_page_refs)
PROOF_LOOPS_grant_pin := --unwind 2 --unwindset announce_v1.0:9
PROOF_LOOPS_fifo_enemy := --unwind 7 --unwindset fifo_lock_owner.0:$$(($(DEPTH) + 2)),fifo_enqueue.0:$$(($(DEPTH) + 3))
PROOF_LOOPS_fifo_lost := --unwind 20 --unwindset fifo_lock_owner.0:2,fifo_enqueue.0:2

PROOF_CPPFLAGS := -D_GNU_SOURCE -DZELO_HOST -D__XEN_TOOLS__ -DDEPTH=$(DEPTH) -Itests/proof/include -Itests/proof \
        -isystem $(B)/include
# Beside the claims: no loop goes round more often than said, nothing is called that is not there, and memory is
# accessed within its objects; in the page proofs all is at fixed places.
PROOF_CHECKS_page_refs := --no-pointer-check --no-bounds-check
PROOF_CHECKS_page_types := $(PROOF_CHECKS_page_refs)
PROOF_CBMC := --no-signed-overflow-check --no-undefined-shift-check --no-div-by-zero-check \
        --no-pointer-primitive-check --drop-unused-functions --slice-formula

proof_name = $(firstword $(subst -, ,$1))
proof_case = $(or $(PROOF_CASE_$(lastword $(subst -, ,$1))),-DOP=$(lastword $(subst -, ,$1)))

proofs: $(PROOFS:%=$(P)/%.result)
	@cat $^ | awk '/^passed/ { p++ } /^failed/ { f++ } /^skipped/ { s++ } \
	    END { printf "proofs: %d passed, %d failed, %d skipped\n", p, f, s; exit f || !(p + s) }'

# Always done: what a proof is of is found by the preprocessor only.
$(P)/%.result: FORCE | $(B)/include/xen
	@mkdir -p $(P)
	@tests/proof/prove.sh '$(CBMC_BIN)' $* $(P)/$* $(PROOF_SOURCE) tests/proof/$(call proof_name,$*).c \
	    '$(PROOF_CPPFLAGS) $(call proof_case,$*)' "$(PROOF_CBMC) $(PROOF_CHECKS_$(call proof_name,$*)) $(PROOF_LOOPS_$(call proof_name,$*))" > $@
	@cat $@

# Each line of mutants.txt is a bug, and the proof that must find it.
proof-mutants: | $(B)/include/xen
	@tests/proof/mutants.sh $(P)/mutants tests/proof/mutants.txt

.PHONY: proofs proof-mutants
