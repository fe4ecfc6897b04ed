# HTTP/1.1 for the API and for --serve. The parser is llhttp, from the C sources of Debian's node-llhttp.
LLHTTP_SRCS = $(addprefix /usr/share/llhttp/,api.c http.c llhttp.c)
LLHTTP_CFLAGS = -DLLHTTP_STRICT_MODE=1 -isystem /usr/share/include
$(foreach s,$(LLHTTP_SRCS),$(eval $(s)_CFLAGS = -w $(LLHTTP_CFLAGS) -isystem /usr/share/include/llhttp))
monitor/http/request.c_CFLAGS = $(LLHTTP_CFLAGS)

HTTP_SRCS = monitor/http/request.c monitor/http/response.c lib/buf.c $(LLHTTP_SRCS)
MONITOR_SRCS += monitor/http/request.c
MONITOR_SRCS += monitor/http/response.c
MONITOR_SRCS += $(LLHTTP_SRCS)
