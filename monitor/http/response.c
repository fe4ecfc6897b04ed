/* SPDX-License-Identifier: MIT
 *
 * response.c: see response.h.
 */
#include "monitor/http/response.h"

const char *http_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} known[] = {
		{200, "OK"},
		{204, "No Content"},
		{400, "Bad Request"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
		{505, "HTTP Version Not Supported"},
	};

	for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].status == status)
			return known[i].text;
	return "Unknown";
}

void http_response_head(struct buf *b, const struct http_response *r)
{
	buf_printf(b, "HTTP/1.1 %d %s\r\nServer: Mayfly\r\nConnection: %s\r\n", r->status,
		   http_status_text(r->status), r->keep_alive ? "keep-alive" : "close");
	if (r->type)
		buf_printf(b, "Content-Type: %s\r\n", r->type);
	if (r->allow)
		buf_printf(b, "Allow: %s\r\n", r->allow);
	if (r->stream)
		buf_printf(b, "Cache-Control: no-store\r\n");
	else if (r->status != 204)
		buf_printf(b, "Content-Length: %zu\r\n", r->body_len);
	buf_printf(b, "\r\n");
}
