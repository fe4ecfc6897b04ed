# Guest drivers: members of libmayfly.a, linked only into images that use them.
GUEST_SRCS += unikernel-sdk/drivers/virtio.c
GUEST_SRCS += unikernel-sdk/drivers/blk.c
