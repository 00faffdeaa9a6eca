/* SPDX-License-Identifier: Apache-2.0 */
#include "om_addr.h"
#include "om_util.h"

#include <stdio.h>
#include <string.h>

#define LABEL_MAX 63

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool om_host_valid(const char *host)
{
	size_t len = strlen(host);

	if (!len || len >= OM_HOST_TEXT || *host == '-')
		return false;
	for (; *host; host++)
		if (!is_alnum(*host) && !strchr(".-_:", *host))
			return false;
	return true;
}

/* A name that DNS could hold: labels of 1 to 63 characters, a final dot allowed. */
static bool is_name(const char *host)
{
	if (!om_host_valid(host) || strchr(host, ':'))
		return false;
	while (*host) {
		size_t len = strcspn(host, ".");

		if (!len || len > LABEL_MAX)
			return false;
		host += len + (host[len] == '.');
	}
	return true;
}

/* Puts suffix behind the first `at` bytes of host; false where that gives no name. */
static bool insert(char candidate[OM_HOST_TEXT], const char *host, size_t at, const char *suffix)
{
	int len = snprintf(candidate, OM_HOST_TEXT, "%.*s%s%s", (int)at, host, suffix, host + at);

	return len >= 0 && len < OM_HOST_TEXT && is_name(candidate);
}

size_t om_host_append(const char *host, const char *suffix, char candidates[2][OM_HOST_TEXT])
{
	size_t first = strcspn(host, "."), len = strlen(host), n = 0;
	struct om_addr addr;

	if (!*suffix || !is_name(host) || om_addr_parse(&addr, host))
		return 0;
	if (insert(candidates[n], host, first, suffix))
		n++;
	/* node02. has its end before the dot that it ends in. */
	if (first < len && host[len - 1] != '.' && insert(candidates[n], host, len, suffix))
		n++;
	return n;
}

void om_uri_tcp(char *uri, size_t size, const char *host)
{
	bool v6 = strchr(host, ':') != NULL;

	snprintf(uri, size, "tcp://%s%s%s", v6 ? "[" : "", host, v6 ? "]" : "");
}

void om_uri_libvirt(char *uri, size_t size, const char *protocol, const char *host,
		    const char *query)
{
	bool v6 = strchr(host, ':') != NULL, asks = !om_str_empty(query);

	snprintf(uri, size, "%s://%s%s%s/system%s%s", protocol, v6 ? "[" : "", host, v6 ? "]" : "",
		 asks ? "?" : "", asks ? query : "");
}

bool om_uri_host(const char *uri, char *host, size_t size)
{
	const char *end;

	if (!om_str_starts(uri, "tcp:"))
		return false;
	uri += strlen("tcp:");
	if (om_str_starts(uri, "//"))
		uri += 2;
	if (*uri == '[') {
		uri++;
		end = strchr(uri, ']');
	} else {
		end = uri + strcspn(uri, ":/?");
	}
	if (!end || end == uri || (size_t)(end - uri) >= size)
		return false;
	memcpy(host, uri, (size_t)(end - uri));
	host[end - uri] = '\0';
	return om_host_valid(host);
}
