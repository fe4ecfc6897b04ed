# --serve: an HTTP front for a VM that is rewound after each request.
MONITOR_SRCS += monitor/serve/conn.c
MONITOR_SRCS += monitor/serve/listen.c
MONITOR_SRCS += monitor/serve/serve.c
