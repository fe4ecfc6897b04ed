# mayfly-snapshot: the host's tool for snapshot files; the only program that links zstd. Sources one per line.
SNAP_PACK_SRCS += monitor/snapshot/tool/pack.c
SNAP_PACK_SRCS += monitor/snapshot/tool/pieces.c
SNAP_PACK_SRCS += monitor/snapshot/tool/unpack.c

SNAP_TOOL_SRCS = $(SNAP_FILE_SRCS) $(SNAP_PACK_SRCS)
SNAP_TOOL_SRCS += monitor/snapshot/tool/command.c
SNAP_TOOL_SRCS += monitor/snapshot/tool/info.c
SNAP_TOOL_SRCS += monitor/snapshot/tool/merge.c

HOST_PROGS += mayfly-snapshot
mayfly-snapshot_SRCS = monitor/snapshot/tool/main.c $(SNAP_TOOL_SRCS) lib/errtext.c lib/log.c lib/near.c lib/num.c lib/opt.c lib/opt_parse.c
mayfly-snapshot_LIBS = -lzstd -lsodium -ljansson
mayfly-snapshot_LINK = dynamic

UNIT_TESTS += test_snap_pack
test_snap_pack_SRCS = tests/unit/test_snap_pack.c tests/unit/snap.c $(SNAP_TOOL_SRCS)
test_snap_pack_LIBS = -lzstd -lsodium -ljansson

FUZZERS += fuzz_packed
fuzz_packed_SRCS = tests/fuzz/fuzz_packed.c $(SNAP_PACK_SRCS) $(SNAP_FILE_SRCS)
fuzz_packed_LIBS = -lzstd -lsodium
