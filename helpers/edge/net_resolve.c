/* SPDX-License-Identifier: Apache-2.0 */
#include "om_net.h"

#include "om_util.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static bool from_sockaddr(struct om_addr *addr, const struct sockaddr *sa)
{
	const struct sockaddr_in *v4 = (const void *)sa;
	const struct sockaddr_in6 *v6 = (const void *)sa;
	const uint8_t *bytes;

	*addr = (struct om_addr){ 0 };
	if (sa->sa_family == AF_INET) {
		addr->family_bits = 32;
		bytes = (const uint8_t *)&v4->sin_addr;
	} else if (sa->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		addr->family_bits = 32;
		bytes = v6->sin6_addr.s6_addr + 12;
	} else if (sa->sa_family == AF_INET6) {
		addr->family_bits = 128;
		bytes = v6->sin6_addr.s6_addr;
	} else {
		return false;
	}
	memcpy(addr->bytes, bytes, addr->family_bits / 8);
	return true;
}

static size_t add(struct om_addr *addrs, size_t n, const struct om_addr *addr)
{
	for (size_t i = 0; i < n; i++)
		if (om_addr_eq(&addrs[i], addr))
			return n;
	addrs[n] = *addr;
	return n + 1;
}

bool om_net_resolve(const char *host, struct om_addr *addrs, size_t max, size_t *count,
		    struct om_err *err)
{
	/* No AI_ADDRCONFIG: an address that cannot be reached is sorted behind the others. */
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	struct om_addr addr;
	int rc;

	*count = 0;
	if (max && om_addr_parse(&addrs[0], host)) {
		*count = 1;
		return true;
	}
	rc = getaddrinfo(host, NULL, &hints, &list);
	if (rc)
		return om_err_set(err, OM_E_INPUT, "the name '%s' cannot be resolved: %s", host,
				  rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
	for (const struct addrinfo *ai = list; ai && *count < max; ai = ai->ai_next)
		if (from_sockaddr(&addr, ai->ai_addr))
			*count = add(addrs, *count, &addr);
	freeaddrinfo(list);
	if (!*count)
		return om_err_set(err, OM_E_INPUT, "the name '%s' has no address", host);
	return true;
}
