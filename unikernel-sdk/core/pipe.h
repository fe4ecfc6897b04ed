/* SPDX-License-Identifier: MIT
 *
 * pipe.h: pipes between parts of one program (there is one thread: a write that does not fit waits
 * for ever unless the descriptor is non-blocking, as it would on Linux).
 */
#ifndef UK_PIPE_H
#define UK_PIPE_H

/* fds[0] reads, fds[1] writes. flags: O_CLOEXEC, O_NONBLOCK. 0 or -errno. */
long uk__pipe(int fds[2], int flags);

#endif
