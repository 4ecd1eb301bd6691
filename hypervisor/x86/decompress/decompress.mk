# SPDX-License-Identifier: MIT
# The decompression libraries, from the distribution's static archives, as one relocatable object: HV_LIBS,
# which goes among the linker's inputs of the image.  Only what the codecs call stays visible; zstd's formats
# of before 1.0 are left out (their names lead to boot_libc_unreachable).

ZARCHIVES := $(foreach l,lzma zstd z lz4,$(shell $(CC) -print-file-name=lib$(l).a))
ZENTRIES := lzma_stream_decoder lzma_alone_decoder lzma_code lzma_end \
        ZSTD_createDCtx ZSTD_freeDCtx ZSTD_decompressDCtx ZSTD_findFrameCompressedSize \
        ZSTD_getFrameContentSize ZSTD_isError ZSTD_getErrorCode \
        inflateInit2_ inflate inflateEnd LZ4_decompress_safe
# What they may need from us; anything else is an error here rather than at the image's link.
ZNEEDS := malloc calloc free memcpy memmove memset memcmp __stack_chk_fail boot_libc_unreachable \
        _GLOBAL_OFFSET_TABLE_
ZDIR := $(B)/hypervisor/x86/decompress
HV_LIBS := $(ZDIR)/libs.o
# The libraries expect what the ABI says of the stack; elsewhere 8 bytes are enough, as nothing uses SSE.
$(ZDIR)/%.o: HV_CFLAGS += -mpreferred-stack-boundary=4

$(ZDIR)/zstd_legacy.s: $(ZARCHIVES)
	@mkdir -p $(@D)
	{ $(NM) -u $^ 2>/dev/null | sed -n 's/^ *U \(Z[A-Z]*v0[0-9]_[A-Za-z0-9_]*\)$$/.globl \1\n\1:/p' | sort -u; \
	  echo 'jmp boot_libc_unreachable'; echo '.section .note.GNU-stack,"",@progbits'; } > $@

$(ZDIR)/zstd_legacy.o: $(ZDIR)/zstd_legacy.s
	$(CC) -c -o $@ $<

$(HV_LIBS): $(ZDIR)/zstd_legacy.o $(ZARCHIVES) hypervisor/x86/decompress/libs.lds hypervisor/x86/decompress/decompress.mk
	$(LD) -r -T hypervisor/x86/decompress/libs.lds -o $@.tmp $(addprefix -u ,$(ZENTRIES)) $(filter %.o %.a,$^)
	$(OBJCOPY) $(addprefix --keep-global-symbol=,$(ZENTRIES) boot_ctors_start boot_ctors_end) $@.tmp
	@! $(NM) -u $@.tmp | sed -n 's/^ *U //p' | grep -vxF $(addprefix -e ,$(ZNEEDS)) \
		|| { echo "$@: the libraries need the above, see boot_libc.c" >&2; exit 1; }
	mv $@.tmp $@
