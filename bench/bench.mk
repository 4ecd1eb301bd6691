# SPDX-License-Identifier: MIT
# What counts for `./lab bench`: QEMU's plugins, and the programs it runs.  bench/README.md.

BENCH := $(B)/bench
BENCH_CFLAGS := -std=gnu11 -O2 -g $(WARN)
BENCH_PLUGINS := $(BENCH)/counter.so $(BENCH)/profile.so

LINUXBENCH_C := $(filter-out %/nothing.c %/sample.c,$(sort $(wildcard bench/linux/*.c)))
# For domain 0 and for a guest, whatever C library is there.
JOBS := $(addprefix $(BENCH)/,mark tiny)

bench: $(BENCH_PLUGINS) $(BENCH)/linuxbench $(BENCH)/nothing $(JOBS) guests

$(BENCH_PLUGINS): $(BENCH)/%.so: bench/%.c $(addprefix bench/,decode.c decode.h mark.h plugin.h)
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -shared -fPIC -fvisibility=hidden -o $@ $(filter %.c,$^)

$(BENCH)/linuxbench: $(LINUXBENCH_C) bench/linux/linuxbench.h bench/mark.h
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -static -no-pie -Wl,--build-id=none -o $@ $(LINUXBENCH_C)

$(BENCH)/nothing: bench/linux/nothing.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -fno-stack-protector -static -no-pie -nostdlib -Wl,--build-id=none -o $@ $<

$(BENCH)/mark: bench/jobs/mark.c bench/mark.h
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -static -Ibench -o $@ $<

$(BENCH)/tiny: $(addprefix tests/system/programs/,tiny.S tiny.lds)
	@mkdir -p $(@D)
	$(CC) -DKIND=1 -nostdlib -static -no-pie -Wl,--build-id=none,--no-warn-rwx-segments,-T,$(filter %.lds,$^) -o $@ $<

.PHONY: bench
