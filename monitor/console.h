/* SPDX-License-Identifier: MIT
 *
 * console.h: the guest's stdout and stderr. The guest fills a ring in its own memory; the monitor
 * drains it at exits that happen anyway (idle, exit, crash) and when the guest rings the console
 * doorbell (at most once per 2 KiB or millisecond). No UART: that is an exit per byte. No thread.
 * vCPU thread only.
 *
 * A guest that floods the console cannot block the VM for long or fill a disk: output beyond the
 * budget (1 MiB at once, 256 KiB/s after that) is dropped and counted, and a slow reader loses
 * bytes, not the VM its progress.
 */
#ifndef MONITOR_CONSOLE_H
#define MONITOR_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/gmem.h"
#include "uk_abi.h"

struct events;

struct console {
	int fd;
	uint64_t tokens;   /* bytes that may still be written now */
	uint64_t refilled; /* ns */
	uint64_t bytes, dropped;
	bool may_block;	       /* not a regular file: ask before writing */
	bool stalled;	       /* the reader was given his time and did not use it */
	struct events *events; /* gets a copy; NULL = nobody does */
	int told;	       /* the user has been told about dropped output */
};

/* path: "-" = stdout, else a file that is created or appended to. -errno. */
int console_open(struct console *con, const char *path);
/* Write out what the ring holds. A nonsensical ring is ignored. */
void console_drain(struct console *con, const struct gmem *gm, struct uk_shared *sh);
void console_close(struct console *con);

#endif
