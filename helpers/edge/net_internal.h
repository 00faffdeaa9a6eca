/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by edge files that use sockets. */
#ifndef OM_NET_INTERNAL_H
#define OM_NET_INTERNAL_H

#include "om_addr.h"

#include <sys/socket.h>

/* Returns its length. The address has a family. */
socklen_t om_net_sockaddr(struct sockaddr_storage *to, const struct om_addr *addr, uint16_t port);

/* Connects a TCP socket of its own and closes it again. 0, or the errno with which it ends; ETIMEDOUT where
 * it does not. */
int om_net_try_connect(const struct om_addr *addr, uint16_t port, uint32_t timeout_ms);

#endif
