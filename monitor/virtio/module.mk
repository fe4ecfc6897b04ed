# The device model: transport, ring reader, devices. Backends are in monitor/backend/.
VIRTQ_SRCS := monitor/virtio/virtq.c monitor/virtio/mmio.c monitor/virtio/save.c
RATELIMIT_SRCS := monitor/virtio/ratelimit.c
VBLK_SRCS := monitor/virtio/blk.c monitor/virtio/blk_req.c $(RATELIMIT_SRCS)
VNET_SRCS := \
	monitor/virtio/net.c \
	monitor/virtio/net_rx.c \
	monitor/virtio/net_tx.c \
	monitor/virtio/netpolicy.c \
	$(RATELIMIT_SRCS)
MONITOR_SRCS += $(VIRTQ_SRCS) $(VBLK_SRCS) $(VNET_SRCS)
