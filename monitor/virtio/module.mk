# The device model: transport, ring reader, devices. Backends are in monitor/backend/.
VIRTQ_SRCS := monitor/virtio/virtq.c monitor/virtio/mmio.c monitor/virtio/save.c
VBLK_SRCS := monitor/virtio/blk.c monitor/virtio/blk_req.c
VNET_SRCS := \
	monitor/virtio/net.c \
	monitor/virtio/net_rx.c \
	monitor/virtio/net_tx.c \
	monitor/virtio/netpolicy.c
MONITOR_SRCS += $(VIRTQ_SRCS) $(VBLK_SRCS) $(VNET_SRCS)
