# Unit tests, one program per source or seam. Each entry: UNIT_TESTS += name, then name_SRCS and name_LIBS.

UNIT_TESTS += test_virtq
test_virtq_SRCS = tests/unit/test_virtq.c tests/unit/guest.c $(VIRTQ_SRCS) lib/log.c

UNIT_TESTS += test_mmio
test_mmio_SRCS = tests/unit/test_mmio.c tests/unit/guest.c $(VIRTQ_SRCS) lib/log.c

CONFIG_SRCS = monitor/config.c monitor/config_field.c monitor/config_json.c monitor/config_print.c monitor/config_snapshot.c \
              monitor/config_value.c monitor/serve/listen.c monitor/snapshot/config.c $(SNAP_READ_SRCS) $(API_MODEL_SRCS) \
              lib/buf.c lib/errtext.c lib/kv.c lib/log.c lib/near.c lib/num.c
CONFIG_LIBS = -ljansson -lsodium

UNIT_TESTS += test_num
test_num_SRCS = tests/unit/test_num.c lib/buf.c lib/errtext.c lib/kv.c lib/near.c lib/num.c lib/log.c

UNIT_TESTS += test_check_host
test_check_host_SRCS = tests/unit/test_check_host.c monitor/check_host.c
test_check_host_LIBS = -ljansson

UNIT_TESTS += test_handed
test_handed_SRCS = tests/unit/test_handed.c lib/handed.c lib/num.c

UNIT_TESTS += test_opts
test_opts_SRCS = tests/unit/test_opts.c monitor/opts.c monitor/opts_keys.c lib/opt.c $(CONFIG_SRCS)
test_opts_LIBS = $(CONFIG_LIBS)

UNIT_TESTS += test_config_json
test_config_json_SRCS = tests/unit/test_config_json.c $(CONFIG_SRCS)
test_config_json_LIBS = $(CONFIG_LIBS)

UNIT_TESTS += test_elf
test_elf_SRCS = tests/unit/test_elf.c tests/unit/elf_image.c monitor/elf.c

UNIT_TESTS += test_blk
test_blk_SRCS = tests/unit/test_blk.c tests/unit/clock.c tests/unit/guest.c $(VIRTQ_SRCS) $(VBLK_SRCS) $(BACKEND_BLK_SRCS) monitor/confine_use.c lib/log.c
test_blk_LIBS = -luring -Wl,--wrap=fdatasync,--wrap=syscall,--wrap=io_uring_queue_init,--wrap=clock_gettime,--wrap=fallocate

UNIT_TESTS += test_overlay
test_overlay_SRCS = tests/unit/test_overlay.c $(BACKEND_BLK_SRCS)
test_overlay_LIBS = -luring -Wl,--wrap=fdatasync,--wrap=syscall

UNIT_TESTS += test_ratelimit
test_ratelimit_SRCS = tests/unit/test_ratelimit.c $(RATELIMIT_SRCS)

UNIT_TESTS += test_image
test_image_SRCS = tests/unit/test_image.c tests/unit/elf_image.c monitor/elf.c monitor/image.c lib/handed.c lib/num.c

UNIT_TESTS += test_symbols
test_symbols_SRCS = tests/unit/test_symbols.c tests/unit/elf_image.c monitor/elf.c monitor/image.c lib/handed.c lib/num.c monitor/symbols.c

UNIT_TESTS += test_metrics
test_metrics_SRCS = tests/unit/test_metrics.c monitor/metrics.c lib/buf.c lib/handed.c lib/num.c
test_metrics_LIBS = -ljansson

UNIT_TESTS += test_netpolicy
test_netpolicy_SRCS = tests/unit/test_netpolicy.c monitor/virtio/netpolicy.c

UNIT_TESTS += test_net
test_net_SRCS = tests/unit/test_net.c tests/unit/clock.c tests/unit/guest.c $(VIRTQ_SRCS) $(VNET_SRCS) $(BACKEND_NET_SRCS) monitor/confine_use.c monitor/signals.c lib/log.c
test_net_LIBS = -Wl,--wrap=clock_gettime
$(O)/tests/test_net: | $(BIN)/mayfly-usernet

UNIT_TESTS += test_mmio_model
test_mmio_model_SRCS = tests/unit/test_mmio_model.c tests/unit/guest.c $(VIRTQ_SRCS) lib/log.c

UNIT_TESTS += test_usernet
test_usernet_SRCS = tests/unit/test_usernet.c monitor/backend/usernet/args.c monitor/backend/usernet/link.c

UNIT_TESTS += test_control
test_control_SRCS = tests/unit/test_control.c monitor/control.c monitor/signals.c

UNIT_TESTS += test_http
test_http_SRCS = tests/unit/test_http.c $(HTTP_SRCS)

UNIT_TESTS += test_save
test_save_SRCS = tests/unit/test_save.c tests/unit/guest.c $(VIRTQ_SRCS) monitor/snapshot/state_check.c lib/log.c

UNIT_TESTS += test_serve
test_serve_SRCS = tests/unit/test_serve.c monitor/serve/conn.c monitor/serve/listen.c lib/num.c $(HTTP_SRCS)

UNIT_TESTS += test_api
test_api_SRCS = tests/unit/test_api.c tests/unit/api_stub.c monitor/api/client.c monitor/api/events.c monitor/api/server.c \
                $(sort $(API_SRCS) $(HTTP_SRCS) $(CONFIG_SRCS))
test_api_LIBS = $(CONFIG_LIBS)

UNIT_TESTS += test_seccomp_policy
test_seccomp_policy_SRCS = tests/unit/test_seccomp_policy.c $(SECCOMP_COMPILER_SRCS)
test_seccomp_policy_LIBS = -lseccomp

UNIT_TESTS += test_filter
test_filter_SRCS = tests/unit/test_filter.c monitor/confine_use.c $(SECCOMP_SRCS) lib/num.c
