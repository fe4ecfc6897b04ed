/* SPDX-License-Identifier: MIT
 *
 * command.h: mayfly-snapshot's commands. Each gets what the command line says and returns 0 or
 * -errno with a message in err; a line to tell the user stays there after 0 too. Files are hostile,
 * the command line is the user's. One thread.
 */
#ifndef MONITOR_SNAPSHOT_TOOL_COMMAND_H
#define MONITOR_SNAPSHOT_TOOL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct command {
	const char *arg[3]; /* files, as many as the command takes; "-" is a standard stream */
	const char *key, *sig, *mem; /* NULL = not given */
	uint64_t limit;		     /* bytes; 0 = what there is room for */
	int level;
	bool json;
};

int command_info(const struct command *c, char *err, size_t errlen);
int command_verify(const struct command *c, char *err, size_t errlen);
int command_pack(const struct command *c, char *err, size_t errlen);
int command_unpack(const struct command *c, char *err, size_t errlen);
int command_merge(const struct command *c, char *err, size_t errlen);

/* The file name, or the stream when it is "-", for reading. A descriptor or -errno with a message.
 */
int command_open(const char *path, char *err, size_t errlen);
/* True when the open file fd begins like a packed snapshot. It stays where it is. A stream always
 * does. */
bool command_is_packed(int fd);

#endif
