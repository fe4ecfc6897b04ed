# What devices sit on: files, io_uring, tap, the user-mode network helper (usernet/).
BACKEND_BLK_SRCS := monitor/backend/file.c monitor/backend/overlay.c monitor/backend/overlay_file.c \
                    monitor/backend/overlay_store.c monitor/backend/uring.c lib/handed.c lib/num.c
BACKEND_NET_SRCS := monitor/backend/tap.c monitor/backend/usernet.c
MONITOR_SRCS += $(BACKEND_BLK_SRCS) $(BACKEND_NET_SRCS)
