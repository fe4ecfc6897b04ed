# Entry paths, ring-0 stub, platform. foreign*.c run in ring 0: general registers only.
GUEST_SRCS += \
	unikernel-sdk/arch/x86_64/entry.S \
	unikernel-sdk/arch/x86_64/stub.S \
	unikernel-sdk/arch/x86_64/platform.c \
	unikernel-sdk/arch/x86_64/log.c \
	unikernel-sdk/arch/x86_64/foreign.c \
	unikernel-sdk/arch/x86_64/foreign_hw.c

unikernel-sdk/arch/x86_64/foreign.c_GCFLAGS := -mgeneral-regs-only -mno-red-zone
unikernel-sdk/arch/x86_64/foreign_hw.c_GCFLAGS := -mgeneral-regs-only -mno-red-zone
