# The device model: transport, ring reader, devices. Backends are in monitor/backend/.
VIRTQ_SRCS := monitor/virtio/virtq.c monitor/virtio/mmio.c
BLK_SRCS := monitor/virtio/blk.c
MONITOR_SRCS += $(VIRTQ_SRCS) $(BLK_SRCS)
