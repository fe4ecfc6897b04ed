/* SPDX-License-Identifier: MIT
 *
 * aio.h: the part of Linux's native AIO interface (io_submit(2)) that the engine uses. C libraries
 * do not declare it and a sysroot need not have kernel headers. Little endian machines.
 */
#ifndef BLK_BENCH_AIO_H
#define BLK_BENCH_AIO_H

#include <stdint.h>

typedef unsigned long aio_context_t; /* the kernel's name */

enum { IOCB_CMD_PREAD = 0, IOCB_CMD_PWRITE = 1 };

struct iocb {
	uint64_t aio_data; /* comes back in io_event.data */
	uint32_t aio_key, aio_rw_flags;
	uint16_t aio_lio_opcode;
	int16_t aio_reqprio;
	uint32_t aio_fildes;
	uint64_t aio_buf, aio_nbytes;
	int64_t aio_offset;
	uint64_t aio_reserved2;
	uint32_t aio_flags, aio_resfd;
};

struct io_event {
	uint64_t data, obj;
	int64_t res, res2;
};

_Static_assert(sizeof(struct iocb) == 64, "iocb is the kernel's");
_Static_assert(sizeof(struct io_event) == 32, "io_event is the kernel's");

#endif
