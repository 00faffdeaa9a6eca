/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by core/predict*.c alone. Memory in bytes, time in ms, rates in bytes per ms. */
#ifndef OM_PREDICT_INTERNAL_H
#define OM_PREDICT_INTERNAL_H

#include "om_predict.h"

#define OM_PREDICT_CASES 64

/* Guests that fit two counts, each as often as it fits. */
struct om_predict_fit {
	double hot[OM_PREDICT_CASES], rate[OM_PREDICT_CASES]; /* as below */
	bool sweeps[OM_PREDICT_CASES];
};
/* Of hot sets up to `written` bytes. */
void om_predict_fit(struct om_predict_fit *fitting, const struct om_predict_facts *facts,
		    double written);

/* One of the guests and links that fit what was measured. */
struct om_predict_case {
	double total, populated;
	double hot, rate; /* the guest writes `hot` bytes at `rate` */
	bool sweeps;	  /* from one end to the other; else at random */
	double bandwidth,
		burst; /* while it is copied; at the switch-over, which no limit holds back */
	double before_ms, after_ms; /* the first byte, and behind the last one */
	double stop_ms;		    /* of the pause that no limit governs: devices, messages */
	double backlog; /* bytes under way at the switch-over that QEMU does not count as remaining */
};

enum om_predict_how {
	OM_PREDICT_SWITCHED,
	OM_PREDICT_POSTCOPY,
	OM_PREDICT_PAUSED, /* the guest was paused by --timeout-suspend */
	OM_PREDICT_GIVEN_UP,
	OM_PREDICT_ENDLESS,
	OM_PREDICT_HOWS
};

struct om_predict_end {
	enum om_predict_how how;
	double ms, bulk_ms, pause_ms;
	bool throttled;
};

/* Runs the watch over a model of QEMU's copy of this guest. */
void om_predict_run(struct om_predict_end *end, const struct om_predict_case *c,
		    const struct om_predict_facts *facts);

/* How long the disks take, and the facts as they are for the memory behind them. Then, with the total known:
 * of both. */
struct om_predict_facts om_predict_disks(struct om_prediction *prediction,
					 const struct om_predict_facts *facts);
void om_predict_add_disks(struct om_prediction *prediction);

#endif
