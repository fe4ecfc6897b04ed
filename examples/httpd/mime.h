/* SPDX-License-Identifier: MIT
 *
 * mime.h: media type by file name.
 */
#ifndef HTTPD_MIME_H
#define HTTPD_MIME_H

/* A Content-Type value for path; application/octet-stream when the suffix says nothing. Static
 * storage. */
const char *mime_type(const char *path);

#endif
