# What devices sit on: files, io_uring, tap, the user-mode network helper.
BACKEND_BLK_SRCS := monitor/backend/file.c monitor/backend/uring.c
MONITOR_SRCS += $(BACKEND_BLK_SRCS)
