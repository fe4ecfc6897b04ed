# lwIP from Debian's source, with two patches of ours, and the socket layer over it. The socket layer is members of libmayfly.a that only
# programs with sockets pull in (uk__need_net); lwIP is an archive of its own.
LWIP_VERSION := 2.1.3+dfsg1-2
LWIP_DIR := $(O)/src/lwip
LWIP_STAMP := $(LWIP_DIR)/.mayfly-source
LWIP_PATCHES := $(addprefix unikernel-sdk/net/lwip/,long-segments.patch peers.patch)
LWIP_NAMES := $(O)/guest-obj/lwip/names
LWIP_INC := -isystem $(LWIP_DIR)/src/include
# timeouts.c is replaced by net/timers.c; dns.c, raw.c, altcp*.c, autoip.c and dhcp6.c are switched off.
LWIP_FILES := core/init core/def core/inet_chksum core/ip core/mem core/memp core/netif core/pbuf core/tcp \
              core/tcp_in core/tcp_out core/udp core/ipv4/dhcp core/ipv4/etharp core/ipv4/icmp \
              core/ipv4/igmp core/ipv4/ip4 core/ipv4/ip4_addr core/ipv4/ip4_frag core/ipv6/ethip6 \
              core/ipv6/icmp6 core/ipv6/inet6 core/ipv6/ip6 core/ipv6/ip6_addr core/ipv6/ip6_frag \
              core/ipv6/mld6 core/ipv6/nd6 netif/ethernet
LWIP_OBJS := $(LWIP_FILES:%=$(O)/guest-obj/lwip/%.o)
# Speed matters more than size in the packet path; third-party code is compiled without our warnings.
LWIP_CFLAGS = $(filter-out -W%,$(GUEST_CFLAGS)) -O2 -w $(LWIP_INC) -Iunikernel-sdk/net/lwip

NET_SRCS := $(addprefix unikernel-sdk/net/,net.c config.c rebind.c netif.c rx.c tx.c timers.c mem.c addr.c sock.c msg.c \
              sockopt.c ifconf.c sock_tcp.c tcp_io.c tcp_long.c tcp_window.c sock_udp.c mcast.c icmp.c unix.c) unikernel-sdk/drivers/net.c
GUEST_SRCS += $(NET_SRCS)
$(foreach s,$(NET_SRCS),$(eval $(s)_GCFLAGS = -O2 $(LWIP_INC) -Iunikernel-sdk/net/lwip --include=$(LWIP_NAMES).h))

LWIP_LIB := $(O)/sdk/lib/liblwip.a
LWIP_RAW := $(O)/guest-obj/lwip/raw.a
ALL += $(LWIP_LIB)

# One file of all patches, of which fetch-src.sh keeps a checksum: a changed one means the source anew.
$(LWIP_DIR).patch: $(LWIP_PATCHES)
	@mkdir -p $(@D)
	$(Q)cat $^ >$@
$(LWIP_STAMP): scripts/fetch-src.sh $(LWIP_DIR).patch
	$(call say,FETCH,lwip $(LWIP_VERSION))
	$(Q)scripts/fetch-src.sh lwip $(LWIP_VERSION) $(LWIP_DIR) $(LWIP_DIR).patch
	@touch $@
# The sources appear with the stamp, hence no prerequisite of their own.
$(O)/guest-obj/lwip/%.o: $(LWIP_STAMP) $(wildcard unikernel-sdk/net/lwip/*.h unikernel-sdk/net/lwip/arch/*.h) \
                         $(O)/.flags/guest $$(SDK_HEADERS)
	@mkdir -p $(@D)
	$(call say,GUESTCC,lwip/$*.c)
	$(Q)$(CC) $(LWIP_CFLAGS) $(if $(filter core/init,$*),-DUK_LWIP_INIT) -c $(LWIP_DIR)/src/$*.c -o $@
$(LWIP_RAW): $(LWIP_OBJS)
	$(Q)rm -f $@ && ar rcs $@ $(LWIP_OBJS)
# A program may have a tcp_connect() of its own: all of lwIP's names, and those it expects of us, get a prefix, in
# the archive by objcopy and in our sources by a pragma.
$(LWIP_NAMES).h: $(LWIP_RAW)
	$(Q){ nm -g --defined-only $< | awk 'NF == 3 {print $$3}'; \
		printf '%s\n' sys_now sys_timeouts_init tcp_timer_needed dns_setserver dns_getserver; } | sort -u >$(LWIP_NAMES)
	$(Q)sed 's/.*/& uk__lwip_&/' $(LWIP_NAMES) >$(LWIP_NAMES).map
	$(Q)sed 's/.*/#pragma redefine_extname & uk__lwip_&/' $(LWIP_NAMES) >$@
$(LWIP_LIB): $(LWIP_RAW) $(LWIP_NAMES).h
	@mkdir -p $(@D)
	$(call say,AR,$@)
	$(Q)objcopy --redefine-syms=$(LWIP_NAMES).map $< $@

# Our own sources include lwIP's headers.
$(NET_SRCS:%.c=$(O)/sdk/obj/%.o): $(LWIP_NAMES).h
