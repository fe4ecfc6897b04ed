/* SPDX-License-Identifier: MIT
 *
 * prom.h: a VM's counters in Prometheus' text format. Reads words that other threads bump; the VM
 * may not have been made. API thread.
 */
#ifndef MONITOR_API_PROM_H
#define MONITOR_API_PROM_H

#include <stddef.h>

struct vm;

/* To be freed; NULL when there is no memory. */
char *prom_text(const struct vm *vm, size_t *ret_len);

#endif
