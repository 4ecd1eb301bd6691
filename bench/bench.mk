# SPDX-License-Identifier: MIT
# What counts for `./lab bench`: QEMU's plugins, and the programs it runs.  bench/README.md.

BENCH := $(B)/bench
BENCH_CFLAGS := -std=gnu11 -O2 -g $(WARN)
BENCH_PLUGINS := $(BENCH)/counter.so $(BENCH)/profile.so

bench: $(BENCH_PLUGINS) guests

$(BENCH_PLUGINS): $(BENCH)/%.so: bench/%.c $(addprefix bench/,decode.c decode.h mark.h plugin.h)
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -shared -fPIC -fvisibility=hidden -o $@ $(filter %.c,$^)

.PHONY: bench
