/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PEERS_H
#define PEERS_H

#include "sim.h"

extern const struct sim_policy sim_stock;
extern const struct sim_policy sim_peers[];
extern const size_t sim_peers_count;

#endif
