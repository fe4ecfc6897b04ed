# Files: the VFS layer and the ext2 server, members of libmayfly.a that only programs with path calls pull in
# (uk__need_fs); libext2fs from Debian's e2fsprogs is an archive of its own.
E2FS_VERSION := 1.47.0-2
E2FS_SRC := build/src/e2fsprogs-$(E2FS_VERSION)
E2FS_STAMP := $(E2FS_SRC)/.mayfly-source
E2FS_GEN := $(O)/e2fs
E2FS_HEADERS := $(E2FS_GEN)/ext2fs/ext2_err.h $(E2FS_GEN)/crc32c_table.h
E2FS_LIB := $(O)/sdk/lib/libext2fs.a
ALL += $(E2FS_LIB)
E2FS_INC := -isystem unikernel-sdk/fs/e2fs -isystem $(E2FS_GEN) -isystem $(E2FS_SRC)/lib
E2FS_FILES := alloc alloc_sb alloc_stats bb_compat badblocks bitmaps bitops blkmap64_ba blkmap64_rb blknum block bmap \
              closefs crc16 crc32c csum dir_iterate dirblock dirhash expanddir ext_attr extent fallocate freefs \
              gen_bitmap gen_bitmap64 get_num_dirs get_pathname hashmap i_block ind_block inline_data inode inline \
              io_manager link lookup mkdir newdir openfs punch rbtree read_bb rw_bitmaps symlink unlink \
              valid_blk alloc_tables fileio mkjournal mmp sha512
E2FS_OBJS := $(E2FS_FILES:%=$(O)/sdk/obj/e2fs/%.o)
# Third-party code is compiled without our warnings.
E2FS_CFLAGS = $(filter-out -W%,$(GUEST_CFLAGS)) -w $(E2FS_INC) -I$(E2FS_SRC)/lib/ext2fs

FS_SRCS := $(addprefix unikernel-sdk/fs/,cache.c ext2_io.c ext2_mount.c ext2_recover.c ext2_node.c ext2_map.c ext2_file.c \
             ext2_dir.c ext2_rename.c ext2_list.c path.c devfs.c files.c blkdev.c open.c stat.c vfs.c aio.c)
GUEST_SRCS += $(FS_SRCS)
$(foreach s,$(FS_SRCS),$(eval $(s)_GCFLAGS = $(E2FS_INC)))
$(FS_SRCS:%.c=$(O)/sdk/obj/%.o): | $(E2FS_HEADERS)

$(E2FS_STAMP): scripts/fetch-src.sh
	$(call say,FETCH,e2fsprogs $(E2FS_VERSION))
	$(Q)scripts/fetch-src.sh e2fsprogs $(E2FS_VERSION) $(E2FS_SRC)
	@touch $@
$(E2FS_GEN)/ext2fs/ext2_err.h: $(E2FS_STAMP)
	@mkdir -p $(@D)
	$(Q)awk -f $(E2FS_SRC)/lib/et/et_h.awk outfile=$@ outfn=$(notdir $@) $(E2FS_SRC)/lib/ext2fs/ext2_err.et.in && test -s $@
$(E2FS_GEN)/gen_crc32ctable: $(E2FS_STAMP)
	@mkdir -p $(@D)
	$(Q)$(CC) -w -O1 -Iunikernel-sdk/fs/e2fs -I$(E2FS_SRC)/lib -I$(E2FS_SRC)/lib/ext2fs $(E2FS_SRC)/lib/ext2fs/gen_crc32ctable.c -o $@
$(E2FS_GEN)/crc32c_table.h: $(E2FS_GEN)/gen_crc32ctable
	$(Q)$< >$@
# punch.c refuses to free the last block of a file system (its bound is off by one): corrected on the way.
$(E2FS_GEN)/punch.c: $(E2FS_STAMP)
	@mkdir -p $(@D)
	$(Q)sed 's/(free_start + free_count) >= ext2fs_blocks_count/(free_start + free_count) > ext2fs_blocks_count/' \
		$(E2FS_SRC)/lib/ext2fs/punch.c >$@ && grep -q 'free_count) > ext2fs_blocks_count' $@
$(O)/sdk/obj/e2fs/punch.o: $(E2FS_GEN)/punch.c
$(E2FS_OBJS): $(O)/sdk/obj/e2fs/%.o: $(E2FS_STAMP) $(E2FS_HEADERS) $(O)/.flags/guest | $(O)/sdk/include/stdio.h
	@mkdir -p $(@D)
	$(call say,GUESTCC,e2fsprogs/$*.c)
	$(Q)$(CC) $(E2FS_CFLAGS) -c $(or $(filter $(E2FS_GEN)/%.c,$^),$(E2FS_SRC)/lib/ext2fs/$*.c) -o $@
.SECONDEXPANSION:
$(E2FS_LIB): $(E2FS_OBJS) $$(call list_stamp,e2fs,$$(E2FS_FILES))
	@mkdir -p $(@D)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $(E2FS_OBJS)
