/* SPDX-License-Identifier: Apache-2.0 */
#include "om_addr.h"

#include "om_util.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t v4_mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool om_addr_parse(struct om_addr *addr, const char *text)
{
	size_t len = strlen(text);
	char bare[OM_ADDR_TEXT];
	bool bracketed = len > 2 && text[0] == '[' && text[len - 1] == ']';

	memset(addr, 0, sizeof(*addr));
	if (len >= sizeof(bare))
		return false;
	snprintf(bare, sizeof(bare), "%.*s", (int)(bracketed ? len - 2 : len), text + bracketed);
	if (!bracketed && inet_pton(AF_INET, bare, addr->bytes) == 1) {
		addr->family_bits = 32;
		return true;
	}
	if (inet_pton(AF_INET6, bare, addr->bytes) != 1)
		return false;
	addr->family_bits = 128;
	if (memcmp(addr->bytes, v4_mapped, sizeof(v4_mapped)) == 0) {
		memmove(addr->bytes, addr->bytes + 12, 4);
		memset(addr->bytes + 4, 0, 12);
		addr->family_bits = 32;
	}
	return true;
}

void om_addr_print(const struct om_addr *addr, char text[OM_ADDR_TEXT])
{
	text[0] = '\0';
	if (addr->family_bits)
		inet_ntop(addr->family_bits == 32 ? AF_INET : AF_INET6, addr->bytes, text,
			  OM_ADDR_TEXT);
}

bool om_addr_eq(const struct om_addr *a, const struct om_addr *b)
{
	return a->family_bits == b->family_bits &&
	       memcmp(a->bytes, b->bytes, a->family_bits / 8) == 0;
}

bool om_addr_is_loopback_or_link_local(const struct om_addr *addr)
{
	static const uint8_t v6_loopback[16] = { [15] = 1 };
	const uint8_t *b = addr->bytes;

	if (addr->family_bits == 32)
		return b[0] == 127 || (b[0] == 169 && b[1] == 254);
	return addr->family_bits == 128 &&
	       (memcmp(b, v6_loopback, 16) == 0 || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80));
}

/* Clears the bits behind the prefix. */
static struct om_addr masked(const struct om_addr *addr, unsigned int prefix_bits)
{
	struct om_addr net = *addr;

	for (unsigned int bit = prefix_bits; bit < addr->family_bits; bit++)
		net.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return net;
}

/* "/24" behind an address. A prefix of a v4-mapped network counts from its 96th bit. */
static bool parse_prefix(struct om_cidr *cidr, const char *digits, bool mapped)
{
	uint64_t bits, skip = mapped ? 96 : 0;

	if (!om_parse_u64(digits, skip, skip + cidr->net.family_bits, &bits))
		return false;
	cidr->prefix_bits = (uint8_t)(bits - skip);
	return true;
}

static bool parse_cidr(struct om_cidr *cidr, const char *text, struct om_err *err)
{
	OM_AUTOFREE char *copy = om_xstrdup(text);
	char *slash = strchr(copy, '/'), right[OM_ADDR_TEXT];
	struct om_addr net;

	if (slash)
		*slash++ = '\0';
	if (!om_addr_parse(&cidr->net, copy))
		return om_err_set(err, OM_E_INPUT, "'%.60s' is no IP network", text);
	cidr->prefix_bits = cidr->net.family_bits;
	if (slash && !parse_prefix(cidr, slash, cidr->net.family_bits == 32 && strchr(copy, ':')))
		return om_err_set(err, OM_E_INPUT, "the prefix length of '%.60s' is not valid",
				  text);
	net = masked(&cidr->net, cidr->prefix_bits);
	if (om_addr_eq(&net, &cidr->net))
		return true;
	om_addr_print(&net, right);
	return om_err_set(err, OM_E_INPUT,
			  "'%.60s' is an address in the network %s/%u, not a network", text, right,
			  cidr->prefix_bits);
}

bool om_cidrs_parse(struct om_cidr *cidrs, size_t max, size_t *count, const char *text,
		    struct om_err *err)
{
	OM_AUTOFREE char *copy = om_xstrdup(text);
	char *rest = copy, *word;

	*count = 0;
	while ((word = strsep(&rest, " ,\t\n"))) {
		if (!*word)
			continue;
		if (*count == max)
			return om_err_set(err, OM_E_INPUT, "more than %zu networks", max);
		if (!parse_cidr(&cidrs[*count], word, err))
			return false;
		++*count;
	}
	return true;
}

bool om_cidr_contains(const struct om_cidr *cidr, const struct om_addr *addr)
{
	struct om_addr net;

	if (!addr->family_bits || addr->family_bits != cidr->net.family_bits)
		return false;
	net = masked(addr, cidr->prefix_bits);
	return om_addr_eq(&net, &cidr->net);
}

int om_cidrs_pick(const struct om_cidr *cidrs, size_t cidr_count, const struct om_addr *addrs,
		  size_t addr_count)
{
	for (size_t c = 0; c < cidr_count; c++)
		for (size_t a = 0; a < addr_count; a++)
			if (om_cidr_contains(&cidrs[c], &addrs[a]))
				return (int)a;
	return -1;
}

/* An address that may have a prefix behind it. */
static bool take_addr(struct om_addr *addr, const char *text)
{
	char bare[OM_ADDR_TEXT];
	size_t len = strcspn(text, "/");

	if (len >= sizeof(bare))
		return false;
	snprintf(bare, sizeof(bare), "%.*s", (int)len, text);
	return om_addr_parse(addr, bare);
}

/* Duplicate address detection has not ended, or has failed: nobody can listen there. */
static bool is_usable(char *words)
{
	char *word;

	while ((word = strsep(&words, " \t\n\\")))
		if (strcmp(word, "tentative") == 0 || strcmp(word, "dadfailed") == 0)
			return false;
	return true;
}

/* The next word; *rest moves behind it. NULL at the end. */
static char *next_word(char **rest)
{
	char *word;

	while ((word = strsep(rest, " \t\n")) && !*word)
		;
	return word;
}

bool om_ip_addr_line(const char *line, struct om_addr *addr, char *ifname, size_t ifname_size)
{
	OM_AUTOFREE char *copy = om_xstrdup(line);
	char *rest = copy, *index = next_word(&rest), *name = next_word(&rest);
	char *family = next_word(&rest), *text = next_word(&rest);
	uint64_t number;

	if (!text || index[strlen(index) - 1] != ':')
		return false;
	index[strlen(index) - 1] = '\0';
	name[strcspn(name, "@")] = '\0';
	if (!om_parse_u64(index, 1, UINT32_MAX, &number) || !*name)
		return false;
	if (strcmp(family, "inet") != 0 && strcmp(family, "inet6") != 0)
		return false;
	if (!take_addr(addr, text) || !om_str_copy(ifname, ifname_size, name))
		return false;
	/* An IPv4 line may end in a label, which could be any word. */
	return strcmp(family, "inet") == 0 || !rest || is_usable(rest);
}
