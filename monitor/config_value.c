/* SPDX-License-Identifier: MIT
 *
 * config_value.c: see config_value.h.
 */
#include "monitor/config_value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "lib/num.h"

static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int value_mac(const char *s, uint8_t ret_mac[6], struct errtext *err)
{
	uint8_t mac[6], any = 0;

	if (strnlen(s, 18) != 17)
		goto malformed;
	for (int i = 0; i < 6; i++) {
		int hi = hex(s[i * 3]), lo = hex(s[i * 3 + 1]);

		if (hi < 0 || lo < 0 || (i < 5 && s[i * 3 + 2] != ':'))
			goto malformed;
		mac[i] = (uint8_t)(hi << 4 | lo);
		any |= mac[i];
	}
	if (!any || mac[0] & 1)
		return config_fail(
			err, "'%.17s' is not a unicast address; 02:00:00:00:00:01 would be", s);
	memcpy(ret_mac, mac, 6);
	return 0;

malformed:
	return config_fail(err, "'%.64s' is not a MAC address like 02:00:00:00:00:01", s);
}

/* The n bytes at s as an address: 4 or 6, or 0 when they are none. */
static int parse_ip(const char *s, size_t n, uint8_t addr[16])
{
	char text[INET6_ADDRSTRLEN];

	if (n >= sizeof text)
		return 0;
	memcpy(text, s, n);
	text[n] = '\0';
	if (inet_pton(AF_INET, text, addr + 12) == 1) {
		memcpy(addr, v4_mapped, 12);
		return 4;
	}
	/* A mapped address has a simpler name; two names for one thing would be two rules for it.
	 */
	return inet_pton(AF_INET6, text, addr) == 1 && memcmp(addr, v4_mapped, 12) != 0 ? 6 : 0;
}

int value_ip(const char *s, uint8_t ret_addr[16], struct errtext *err)
{
	uint8_t addr[16];

	if (!parse_ip(s, strlen(s), addr))
		return config_fail(err, "'%.64s' is not an IPv4 or IPv6 address", s);
	memcpy(ret_addr, addr, 16);
	return 0;
}

static int parse_port(const char *s, size_t n, uint16_t *ret_port)
{
	uint64_t v;
	int r = num_u64(s, n, 1, 65535, &v);

	if (r == 0)
		*ret_port = (uint16_t)v;
	return r;
}

/* The trailing /PROTO, when there is one: shortens *n. A numeric last part is a prefix and stays.
 */
static int split_proto(const char *s, size_t *n, bool v6, uint8_t *ret_proto)
{
	static const struct {
		const char *name;
		uint8_t v4, v6;
	} protos[] = {{"tcp", 6, 6}, {"udp", 17, 17}, {"icmp", 1, 58}, {"any", 0, 0}};
	const char *slash = memrchr(s, '/', *n);

	*ret_proto = 0;
	if (!slash || (slash[1] >= '0' && slash[1] <= '9'))
		return 0;
	for (size_t i = 0; i < sizeof protos / sizeof protos[0]; i++) {
		if (strcmp(slash + 1, protos[i].name) == 0) {
			*ret_proto = v6 ? protos[i].v6 : protos[i].v4;
			*n = (size_t)(slash - s);
			return 0;
		}
	}
	return -EINVAL;
}

/* Length of the address at s (without brackets) and where the rest begins. */
static int split_addr(const char *s, size_t n, const char **ret_addr, size_t *ret_len,
		      size_t *ret_rest)
{
	if (n && s[0] == '[') {
		const char *close = memchr(s, ']', n);

		if (!close)
			return -EINVAL;
		*ret_addr = s + 1;
		*ret_len = (size_t)(close - s - 1);
		*ret_rest = *ret_len + 2;
		return 0;
	}

	const char *slash = memchr(s, '/', n), *colon = memchr(s, ':', n);
	size_t len = n;

	if (slash)
		len = (size_t)(slash - s);
	else if (colon && !memchr(colon + 1, ':', n - (size_t)(colon + 1 - s)))
		len = (size_t)(colon - s); /* one colon: IPv4 and a port */
	*ret_addr = s;
	*ret_len = len;
	*ret_rest = len;
	return 0;
}

static bool host_bits_set(const uint8_t addr[16], unsigned prefix)
{
	for (unsigned bit = prefix; bit < 128; bit++)
		if (addr[bit / 8] & (0x80u >> (bit % 8)))
			return true;
	return false;
}

static int parse_ports(const char *s, size_t n, struct net_allow *a)
{
	const char *dash = memchr(s, '-', n);
	size_t first = dash ? (size_t)(dash - s) : n;

	if (parse_port(s, first, &a->port_lo) < 0)
		return -EINVAL;
	a->port_hi = a->port_lo;
	if (dash && parse_port(dash + 1, n - first - 1, &a->port_hi) < 0)
		return -EINVAL;
	return a->port_lo <= a->port_hi ? 0 : -EINVAL;
}

/* "[/PREFIX][:PORT[-PORT]]" of n bytes. */
static int parse_allow_tail(const char *s, size_t n, bool v6, struct net_allow *a,
			    const char **ret_what)
{
	uint64_t prefix = v6 ? 128 : 32;

	if (n && s[0] == '/') {
		const char *colon = memchr(s, ':', n);
		size_t len = colon ? (size_t)(colon - s) : n;

		*ret_what = "prefix length";
		if (num_u64(s + 1, len - 1, 0, prefix, &prefix) < 0)
			return -EINVAL;
		s += len;
		n -= len;
	}
	a->prefix = (uint8_t)(v6 ? prefix : prefix + 96);
	*ret_what = "port range";
	if (n == 0)
		return 0;
	if (s[0] != ':' || a->proto == 1 || a->proto == 58)
		return -EINVAL;
	return parse_ports(s + 1, n - 1, a);
}

int value_allow(const char *s, struct net_allow *ret_allow, struct errtext *err)
{
	struct net_allow a = {.port_lo = 0, .port_hi = 65535};
	size_t n = strlen(s), addr_len, rest;
	const char *addr, *what;

	/* The protocol's number depends on the family, the family on the address: find a colon pair
	 * first. */
	bool v6 = s[0] == '[' || strstr(s, "::") != NULL;

	if (!v6) {
		const char *colon = strchr(s, ':'), *slash = strchr(s, '/');

		v6 = colon && (!slash || colon < slash) && strchr(colon + 1, ':') != NULL;
	}
	if (split_proto(s, &n, v6, &a.proto) < 0)
		return config_fail(
			err, "'%.64s' ends in an unknown protocol; use tcp, udp, icmp or any", s);
	if (split_addr(s, n, &addr, &addr_len, &rest) < 0 ||
	    parse_ip(addr, addr_len, a.addr) != (v6 ? 6 : 4))
		return config_fail(err,
				   "'%.64s' does not start with an address; use "
				   "ADDR[/PREFIX][:PORT[-PORT]][/PROTO]",
				   s);
	if (parse_allow_tail(s + rest, n - rest, v6, &a, &what) < 0)
		return config_fail(err,
				   "'%.64s' has a bad %s; use ADDR[/PREFIX][:PORT[-PORT]][/PROTO]",
				   s, what);
	if (host_bits_set(a.addr, a.prefix))
		return config_fail(err, "'%.64s' has address bits set behind its prefix length", s);
	*ret_allow = a;
	return 0;
}

int value_fwd(const char *s, struct net_fwd *ret_fwd, struct errtext *err)
{
	struct net_fwd f = {.host_addr = INADDR_LOOPBACK};
	const char *p = s, *last, *mid;

	if (strncmp(p, "udp:", 4) == 0 || strncmp(p, "tcp:", 4) == 0) {
		f.udp = p[0] == 'u';
		p += 4;
	}
	last = strrchr(p, ':');
	if (!last || parse_port(last + 1, strlen(last + 1), &f.guest_port) < 0)
		goto malformed;
	mid = memrchr(p, ':', (size_t)(last - p));
	if (mid) {
		uint8_t addr[16];

		if (parse_ip(p, (size_t)(mid - p), addr) != 4)
			goto malformed;
		f.host_addr = (uint32_t)addr[12] << 24 | (uint32_t)addr[13] << 16 |
			      (uint32_t)addr[14] << 8 | addr[15];
		p = mid + 1;
	}
	if (parse_port(p, (size_t)(last - p), &f.host_port) < 0)
		goto malformed;
	*ret_fwd = f;
	return 0;

malformed:
	return config_fail(err,
			   "'%.64s' is not [udp:][IPV4:]HOSTPORT:GUESTPORT with ports 1..65535", s);
}

/* The n bytes at s as a number of tokens. */
static int parse_tokens(const char *s, size_t n, bool bytes, uint64_t *ret_val)
{
	char text[32];

	if (!bytes)
		return num_u64(s, n, 0, UINT64_MAX, ret_val);
	if (n >= sizeof text)
		return -EINVAL;
	memcpy(text, s, n);
	text[n] = '\0';
	return num_size(text, ret_val);
}

static int parse_ms(const char *s, uint64_t *ret_ms)
{
	size_t n = strspn(s, "0123456789");
	uint64_t unit = strcmp(s + n, "ms") == 0 ? 1 : strcmp(s + n, "s") == 0 ? 1000 : 0;
	int r = unit ? num_u64(s, n, 0, UINT64_MAX / unit, ret_ms) : -EINVAL;

	if (r == 0)
		*ret_ms *= unit;
	return r;
}

int value_bucket(const char *s, bool bytes, struct token_bucket *ret_bucket, struct errtext *err)
{
	struct token_bucket b = {0};
	const char *slash = strchr(s, '/'), *plus = strchr(s, '+'), *end;

	if (strcmp(s, "off") == 0) {
		*ret_bucket = b;
		return 0;
	}
	end = plus && slash && plus < slash ? plus : slash;
	if (!slash || parse_tokens(s, (size_t)(end - s), bytes, &b.size) ||
	    (end == plus && parse_tokens(plus + 1, (size_t)(slash - plus - 1), bytes, &b.burst)) ||
	    parse_ms(slash + 1, &b.refill_ms) || (b.size | b.burst | b.refill_ms) > INT64_MAX)
		return config_fail(err, "'%.64s' is not %s with TIME in ms or s, or off", s,
				   bytes ? "SIZE[+BURST]/TIME, such as 10M/1s or 1M+64M/100ms,"
					 : "NUMBER[+BURST]/TIME, such as 1000/1s,");
	*ret_bucket = b;
	return 0;
}

void value_bucket_str(const struct token_bucket *b, bool bytes, char buf[VALUE_STR_MAX])
{
	char size[VALUE_STR_MAX], burst[VALUE_STR_MAX];

	if (!b->size || !b->refill_ms) {
		snprintf(buf, VALUE_STR_MAX, "off");
		return;
	}
	if (bytes) {
		value_size_str(b->size, size);
		value_size_str(b->burst, burst);
	} else {
		snprintf(size, sizeof size, "%llu", (unsigned long long)b->size);
		snprintf(burst, sizeof burst, "%llu", (unsigned long long)b->burst);
	}
	snprintf(buf, VALUE_STR_MAX, "%.24s%s%.24s/%llums", size, b->burst ? "+" : "",
		 b->burst ? burst : "", (unsigned long long)b->refill_ms);
}

void value_mac_str(const uint8_t mac[6], char buf[VALUE_STR_MAX])
{
	snprintf(buf, VALUE_STR_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
}

static bool is_v4(const uint8_t addr[16])
{
	return memcmp(addr, v4_mapped, 12) == 0;
}

void value_ip_str(const uint8_t addr[16], char buf[VALUE_STR_MAX])
{
	if (is_v4(addr))
		inet_ntop(AF_INET, addr + 12, buf, VALUE_STR_MAX);
	else
		inet_ntop(AF_INET6, addr, buf, VALUE_STR_MAX);
}

void value_allow_str(const struct net_allow *a, char buf[VALUE_STR_MAX])
{
	bool v4 = is_v4(a->addr) && a->prefix >= 96;
	char ip[VALUE_STR_MAX], ports[16] = "";
	const char *proto = "";

	if (v4)
		inet_ntop(AF_INET, a->addr + 12, ip, sizeof ip);
	else
		inet_ntop(AF_INET6, a->addr, ip, sizeof ip);
	if (a->port_lo == a->port_hi)
		snprintf(ports, sizeof ports, ":%u", a->port_lo);
	else if (a->port_lo != 0 || a->port_hi != 65535)
		snprintf(ports, sizeof ports, ":%u-%u", a->port_lo, a->port_hi);
	if (a->proto)
		proto = a->proto == 6 ? "/tcp" : a->proto == 17 ? "/udp" : "/icmp";
	snprintf(buf, VALUE_STR_MAX, "%.46s/%u%s%s", ip, v4 ? a->prefix - 96u : a->prefix, ports,
		 proto);
}

void value_fwd_str(const struct net_fwd *f, char buf[VALUE_STR_MAX])
{
	snprintf(buf, VALUE_STR_MAX, "%s%u.%u.%u.%u:%u:%u", f->udp ? "udp:" : "",
		 f->host_addr >> 24, f->host_addr >> 16 & 255, f->host_addr >> 8 & 255,
		 f->host_addr & 255, f->host_port, f->guest_port);
}

void value_size_str(uint64_t bytes, char buf[VALUE_STR_MAX])
{
	static const char units[] = "BKMG";
	unsigned u = 0;

	for (; u < 3 && bytes && bytes % 1024 == 0; u++)
		bytes /= 1024;
	snprintf(buf, VALUE_STR_MAX, "%llu%c", (unsigned long long)bytes, units[u]);
}
