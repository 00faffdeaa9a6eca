/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, networks and host names, as values. Pure: nothing is resolved here. */
#ifndef OM_ADDR_H
#define OM_ADDR_H

#include "om_err.h"

#include <stddef.h>
#include <stdint.h>

#define OM_ADDR_TEXT 64	 /* fits an IPv6 address with a scope of ours */
#define OM_HOST_TEXT 256 /* RFC 1035: 255 octets */
#define OM_CIDRS_MAX 16	 /* networks in one setting */

struct om_addr {
	uint8_t family_bits; /* 32 or 128; 0 = none */
	uint8_t bytes[16];
};
struct om_cidr {
	struct om_addr net;
	uint8_t prefix_bits;
};

/* v4, v6 or [v6]; a v4-mapped address becomes v4. */
bool om_addr_parse(struct om_addr *addr, const char *text) OM_MUST_CHECK;
void om_addr_print(const struct om_addr *addr, char text[OM_ADDR_TEXT]);
bool om_addr_eq(const struct om_addr *a, const struct om_addr *b);
bool om_addr_is_loopback_or_link_local(const struct om_addr *addr);

/* Blank- or comma-separated networks "10.1.0.0/24 fd00::/64", at most max; an address without a
 * prefix is a host. Host bits set are an error, as they are a typing mistake more often than not. */
bool om_cidrs_parse(struct om_cidr *cidrs, size_t max, size_t *count, const char *text,
		    struct om_err *err) OM_MUST_CHECK;
bool om_cidr_contains(const struct om_cidr *cidr, const struct om_addr *addr);

/* The first address, in the order of the networks and then of the addresses, that lies in one of
 * the networks; -1 if none. */
int om_cidrs_pick(const struct om_cidr *cidrs, size_t cidr_count, const struct om_addr *addrs,
		  size_t addr_count);

/*
 * DEST_HOST_APPEND: node02 and "-10g1" give node02-10g1; node02.example.org gives
 * node02-10g1.example.org first and node02.example.org-10g1 second. Returns the number of
 * candidates (0 where the host is an address, or where the result is no valid host name).
 */
size_t om_host_append(const char *host, const char *suffix, char candidates[2][OM_HOST_TEXT]);

/* A host name or address as oned may hold it: letters, digits, '.', '-', '_', ':'; does not begin
 * with '-'; at most 255 bytes. What is not that never reaches ssh or a URI. */
bool om_host_valid(const char *host);

/* "tcp://10.1.0.2" or "tcp://[fd00::2]". */
void om_uri_tcp(char *uri, size_t size, const char *host);
/* The host of "tcp://host[:port]" or "tcp:host:port", brackets removed; false for anything else. */
bool om_uri_host(const char *uri, char *host, size_t size) OM_MUST_CHECK;
/* "qemu+ssh://[fd00::2]/system", with ?query where not empty. */
void om_uri_libvirt(char *uri, size_t size, const char *protocol, const char *host,
		    const char *query);

/*
 * One address of a line of `ip -o addr show` ("2: eth0    inet 10.1.0.2/24 ..."); false for lines
 * that hold none. ifname gets the interface's name.
 */
bool om_ip_addr_line(const char *line, struct om_addr *addr, char *ifname, size_t ifname_size);

#endif
