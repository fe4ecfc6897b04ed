# The rootless network in a process of its own: the only program that links libslirp (and through it glib).
HOST_PROGS += mayfly-usernet
mayfly-usernet_SRCS = monitor/backend/usernet/main.c monitor/backend/usernet/link.c monitor/backend/usernet/args.c
mayfly-usernet_LIBS = -lslirp
mayfly-usernet_LINK = dynamic
