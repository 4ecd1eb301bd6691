# SPDX-License-Identifier: MIT
# What counts for `./lab bench`: QEMU's plugin, and the programs it runs.  bench/README.md.

BENCH := $(B)/bench
BENCH_CFLAGS := -std=gnu11 -O2 -g $(WARN)

bench: $(BENCH)/counter.so guests

$(BENCH)/counter.so: $(addprefix bench/,counter.c decode.c decode.h mark.h plugin.h)
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -shared -fPIC -fvisibility=hidden -o $@ $(filter %.c,$^)

.PHONY: bench
