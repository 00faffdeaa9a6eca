/* SPDX-License-Identifier: Apache-2.0 */
/* What other systems do, each under the same limits. */
#include "peers.h"

const struct sim_policy sim_stock = { .name = "stock" };

const struct sim_policy sim_peers[] = {
	{ .name = "stock" },
	{ .name = "auto-converge", .can = SIM_CAN_THROTTLE, .auto_converge = true },
};
const size_t sim_peers_count = OM_ARRAY_LEN(sim_peers);
